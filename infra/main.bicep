// OzFunctions on Azure: function app, storage, Service Bus, Key Vault, telemetry, alerts, and hosts. See docs/azure.md.
targetScope = 'resourceGroup'

@description('Part of every name: 3 to 11 lower-case letters and digits, beginning with a letter.')
@minLength(3)
@maxLength(11)
param name string

param location string = resourceGroup().location

@description('Hosts that run agents. 0: no machine, but their network and its NAT gateway, which costs by the hour; more than 1: they share the work.')
@minValue(0)
@maxValue(20)
param hostCount int = 1

@description('Size of a host. Agents need memory more than processors.')
param hostSize string = 'Standard_D4as_v5'

param hostAdmin string = 'ozf'

@description('Public key for SSH to hosts, through a jump host or Bastion: they have no public address.')
param hostSshPublicKey string

@description('Where a host fetches ozf: an archive that holds ozf and ozf-shim for linux-x64, and its SHA-256.')
param releaseUrl string

param releaseSha256 string

@description('Requests come by Service Bus; false: by the storage queue oz-requests. The triggers of the other are switched off.')
param useServiceBus bool = true

@description('Who gets alerts by e-mail; empty: nobody.')
param alertEmail string = ''

@description('The key of the API, at least 32 visible characters.')
@secure()
@minLength(32)
param apiKey string

@description('The key that agents need.')
@secure()
param warpApiKey string

var unique = '${name}${take(uniqueString(resourceGroup().id, name), 8)}'

module identities 'modules/identities.bicep' = {
  name: 'identities'
  params: { name: name, location: location }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    name: unique
    location: location
    functionsPrincipalId: identities.outputs.functionsPrincipalId
    hostsPrincipalId: identities.outputs.hostsPrincipalId
  }
}

module serviceBus 'modules/servicebus.bicep' = {
  name: 'servicebus'
  params: { name: unique, location: location, functionsPrincipalId: identities.outputs.functionsPrincipalId }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  params: {
    name: unique
    location: location
    apiKey: apiKey
    warpApiKey: warpApiKey
    functionsPrincipalId: identities.outputs.functionsPrincipalId
    hostsPrincipalId: identities.outputs.hostsPrincipalId
  }
}

module telemetry 'modules/telemetry.bicep' = {
  name: 'telemetry'
  params: { name: name, location: location }
}

module functions 'modules/functions.bicep' = {
  name: 'functions'
  params: {
    name: unique
    location: location
    identityId: identities.outputs.functionsId
    identityClientId: identities.outputs.functionsClientId
    storageName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    blobEndpoint: storage.outputs.blobEndpoint
    queueEndpoint: storage.outputs.queueEndpoint
    serviceBusNamespace: serviceBus.outputs.fullyQualifiedNamespace
    apiKeySecretUri: vault.outputs.apiKeySecretUri
    applicationInsightsConnectionString: telemetry.outputs.connectionString
    useServiceBus: useServiceBus
  }
}

// Also with no host: what a deployment leaves out stays as it was, machines too.
module hosts 'modules/hosts.bicep' = {
  name: 'hosts'
  params: {
    name: name
    location: location
    count: hostCount
    size: hostSize
    admin: hostAdmin
    sshPublicKey: hostSshPublicKey
    identityId: identities.outputs.hostsId
    identityClientId: identities.outputs.hostsClientId
    blobEndpoint: storage.outputs.blobEndpoint
    warpApiKeySecretUri: vault.outputs.warpApiKeySecretUri
    releaseUrl: releaseUrl
    releaseSha256: releaseSha256
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    name: name
    location: location
    email: alertEmail
    applicationInsightsId: telemetry.outputs.id
    serviceBusId: serviceBus.outputs.id
  }
}

output url string = functions.outputs.url
output functionApp string = functions.outputs.name
output storageAccount string = storage.outputs.name
output blobServiceUri string = storage.outputs.blobEndpoint
output serviceBusNamespace string = serviceBus.outputs.fullyQualifiedNamespace
