// Runs, logs, artifacts, indexes and bells in one container; beside it the app's package and what the Functions host keeps. No account keys: identities only.
param name string
param location string
param functionsPrincipalId string
param hostsPrincipalId string

var blobOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var blobDelegator = 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'
var queueContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var roles = [
  { principal: functionsPrincipalId, role: blobOwner } // the Functions host itself needs it
  { principal: functionsPrincipalId, role: queueContributor }
  { principal: hostsPrincipalId, role: blobDelegator } // signs links to artifacts; gives access to nothing that the identity itself has none to
  { principal: hostsPrincipalId, role: queueContributor }
]

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_ZRS' }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource runs 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'ozfunctions'
}

resource package 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'app-package'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = [
  for queue in ['oz-requests', 'oz-requests-poison', 'oz-events']: {
    parent: queues
    name: queue
  }
]

// Only what nothing decides by: artifacts grow cold, the delivery log goes. Logs are append blobs, which Azure keeps hot. Records and indexes are the product's own to remove.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'cool-artifacts'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['ozfunctions/data/'] }
            actions: { baseBlob: { tierToCool: { daysAfterModificationGreaterThan: 30 } } }
          }
        }
        {
          name: 'delete-delivery-log'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['ozfunctions/deliveries/'] }
            actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: 90 } } }
          }
        }
      ]
    }
  }
}

resource grants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in roles: {
    scope: account
    name: guid(account.id, grant.principal, grant.role)
    properties: {
      principalId: grant.principal
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', grant.role)
    }
  }
]

// Not the whole account: an agent that gets at its host's identity must not be able to write the app's package, nor read the keys of the Functions host.
resource hostsMayWriteRuns 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: runs
  name: guid(runs.id, hostsPrincipalId, blobContributor)
  properties: {
    principalId: hostsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
  }
}

output name string = account.name
output deploymentContainer string = package.name
output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
