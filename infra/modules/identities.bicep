// One identity for functions, one for hosts: a host that an agent breaks out of must not be able to send as the functions do.
param name string
param location string

resource functions 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-functions'
  location: location
}

resource hosts 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-hosts'
  location: location
}

output functionsId string = functions.id
output functionsClientId string = functions.properties.clientId
output functionsPrincipalId string = functions.properties.principalId
output hostsId string = hosts.id
output hostsClientId string = hosts.properties.clientId
output hostsPrincipalId string = hosts.properties.principalId
