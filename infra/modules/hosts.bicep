// Hosts that run agents: a scale set, without public addresses. Agents are as trusted as these machines are lonely: nothing else runs here.
param name string
param location string
param count int
param size string
param admin string
param sshPublicKey string
param identityId string
param identityClientId string
param blobEndpoint string
param warpApiKeySecretUri string
param releaseUrl string
param releaseSha256 string

resource gatewayAddress 'Microsoft.Network/publicIPAddresses@2024-01-01' = {
  name: '${name}-outbound'
  location: location
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

resource gateway 'Microsoft.Network/natGateways@2024-01-01' = {
  name: '${name}-nat'
  location: location
  sku: { name: 'Standard' }
  properties: { publicIpAddresses: [{ id: gatewayAddress.id }] }
}

resource closed 'Microsoft.Network/networkSecurityGroups@2024-01-01' = {
  name: '${name}-hosts'
  location: location
  properties: { securityRules: [] }
}

resource network 'Microsoft.Network/virtualNetworks@2024-01-01' = {
  name: '${name}-hosts'
  location: location
  properties: {
    addressSpace: { addressPrefixes: ['10.20.0.0/16'] }
    subnets: [
      {
        name: 'hosts'
        properties: { addressPrefix: '10.20.0.0/24', natGateway: { id: gateway.id }, networkSecurityGroup: { id: closed.id }, defaultOutboundAccess: false }
      }
    ]
  }
}

// The placeholders of cloud-init.yaml; the agents' key itself is fetched by the machine, and stands in no template.
var values = {
  __BLOB_SERVICE__: blobEndpoint
  __CLIENT_ID__: identityClientId
  __WARP_KEY_URI__: warpApiKeySecretUri
  __RELEASE_URL__: releaseUrl
  __RELEASE_SHA256__: releaseSha256
}
var cloudInit = reduce(items(values), loadTextContent('../cloud-init.yaml'), (text, value) => replace(text, value.key, value.value))

resource hosts 'Microsoft.Compute/virtualMachineScaleSets@2024-07-01' = {
  name: '${name}-hosts'
  location: location
  sku: { name: size, tier: 'Standard', capacity: count }
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    orchestrationMode: 'Flexible'
    platformFaultDomainCount: 1
    virtualMachineProfile: {
      osProfile: {
        computerNamePrefix: take(name, 9)
        adminUsername: admin
        customData: base64(cloudInit)
        linuxConfiguration: {
          disablePasswordAuthentication: true
          ssh: { publicKeys: [{ path: '/home/${admin}/.ssh/authorized_keys', keyData: sshPublicKey }] }
        }
      }
      storageProfile: {
        imageReference: { publisher: 'Canonical', offer: 'ubuntu-24_04-lts', sku: 'server', version: 'latest' }
        osDisk: { createOption: 'FromImage', diskSizeGB: 128, managedDisk: { storageAccountType: 'Premium_LRS' } }
      }
      networkProfile: {
        networkApiVersion: '2020-11-01'
        networkInterfaceConfigurations: [
          {
            name: 'nic'
            properties: {
              primary: true
              ipConfigurations: [{ name: 'ip', properties: { subnet: { id: network.properties.subnets[0].id } } }]
            }
          }
        ]
      }
      // 15 minutes to drain before the machine goes; ozf-drain on the machine listens for it.
      scheduledEventsProfile: { terminateNotificationProfile: { enable: true, notBeforeTimeout: 'PT15M' } }
    }
  }
}

output name string = hosts.name
