// The function app on Flex Consumption: scales by the length of its queues, which its identity may read (servicebus.bicep, storage.bicep), and by calls.
param name string
param location string
param identityId string
param identityClientId string
param storageName string
param deploymentContainer string
param blobEndpoint string
param queueEndpoint string
param serviceBusNamespace string
param apiKeySecretUri string
param applicationInsightsConnectionString string

param useServiceBus bool

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: '${name}-plan'
  location: location
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: '${name}-app'
  location: location
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobEndpoint}${deploymentContainer}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      runtime: { name: 'dotnet-isolated', version: '10.0' }
      scaleAndConcurrency: { maximumInstanceCount: 40, instanceMemoryMB: 2048 }
    }
    siteConfig: { minTlsVersion: '1.2', ftpsState: 'Disabled' }
  }
}

resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: {
    AzureWebJobsStorage__accountName: storageName
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    AzureWebJobsDisableHomepage: 'true'
    'AzureWebJobs.RunRequestsFromServiceBus.Disabled': string(!useServiceBus)
    'AzureWebJobs.PoisonedRequestsFromServiceBus.Disabled': string(!useServiceBus)
    'AzureWebJobs.RunRequestsFromStorageQueue.Disabled': string(useServiceBus)
    'AzureWebJobs.PoisonedRequestsFromStorageQueue.Disabled': string(useServiceBus)
    OZF_STORAGE__blobServiceUri: blobEndpoint
    OZF_STORAGE__queueServiceUri: queueEndpoint
    OZF_STORAGE__credential: 'managedidentity'
    OZF_STORAGE__clientId: identityClientId
    OZF_SERVICEBUS__fullyQualifiedNamespace: serviceBusNamespace
    OZF_SERVICEBUS__credential: 'managedidentity'
    OZF_SERVICEBUS__clientId: identityClientId
    OZF_CONFIG: 'blob:config/ozf.yaml'
    OZF_API_KEY: '@Microsoft.KeyVault(SecretUri=${apiKeySecretUri})'
    AZURE_CLIENT_ID: identityClientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString
  }
}

output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
