// Secrets. The functions may read the API's key, the hosts the agents' key, and neither the other's.
param name string
param location string
param functionsPrincipalId string
param hostsPrincipalId string

@secure()
param apiKey string

@secure()
param warpApiKey string

var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
  }
}

resource api 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = {
  parent: vault
  name: 'ozf-api-key'
  properties: { value: apiKey }
}

resource warp 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = {
  parent: vault
  name: 'warp-api-key'
  properties: { value: warpApiKey }
}

resource functionsMayRead 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: api
  name: guid(api.id, functionsPrincipalId, secretsUser)
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

resource hostsMayRead 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: warp
  name: guid(warp.id, hostsPrincipalId, secretsUser)
  properties: {
    principalId: hostsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

output apiKeySecretUri string = api.properties.secretUri
output warpApiKeySecretUri string = warp.properties.secretUri
