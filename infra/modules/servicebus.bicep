// The queue that producers send run requests to, and the topic that completion events go to.
param name string
param location string
param functionsPrincipalId string

var receiver = '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0'
var sender = '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39'
var owner = '090c5cfd-751d-490a-894a-3ce6f1109419'

resource namespace 'Microsoft.ServiceBus/namespaces@2022-10-01-preview' = {
  name: name
  location: location
  sku: { name: 'Standard', tier: 'Standard' }
  properties: { disableLocalAuth: true, minimumTlsVersion: '1.2' }
}

// A message that is taken twice within the window is one; after it, the run's key still is. An outage gives a message back many times: the count must bear that.
resource requests 'Microsoft.ServiceBus/namespaces/queues@2022-10-01-preview' = {
  parent: namespace
  name: 'oz-requests'
  properties: {
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: 'P1D'
    lockDuration: 'PT1M'
    maxDeliveryCount: 100
    deadLetteringOnMessageExpiration: true
    defaultMessageTimeToLive: 'P14D'
  }
}

resource events 'Microsoft.ServiceBus/namespaces/topics@2022-10-01-preview' = {
  parent: namespace
  name: 'oz-events'
  properties: { requiresDuplicateDetection: true, duplicateDetectionHistoryTimeWindow: 'P1D', defaultMessageTimeToLive: 'P14D' }
}

// A sample: runs that did not succeed. What nobody reads ends with its time: kept as dead, it would fill the topic.
resource failed 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2022-10-01-preview' = {
  parent: events
  name: 'failed'
  properties: { maxDeliveryCount: 10, lockDuration: 'PT1M', deadLetteringOnMessageExpiration: false }
}

resource failedOnly 'Microsoft.ServiceBus/namespaces/topics/subscriptions/rules@2022-10-01-preview' = {
  parent: failed
  name: '$Default'
  properties: {
    filterType: 'SqlFilter'
    sqlFilter: { sqlExpression: 'type = \'io.ozfunctions.run.completed.v1\' AND state <> \'SUCCEEDED\'' }
  }
}

resource grants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in [receiver, sender]: {
    scope: namespace
    name: guid(namespace.id, functionsPrincipalId, role)
    properties: {
      principalId: functionsPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

// The Functions host scales by the queue's length, which no lesser built-in role may read: without it, it looks at the first message and guesses. It may change this queue, and no other.
resource mayReadLength 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: requests
  name: guid(requests.id, functionsPrincipalId, owner)
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', owner)
  }
}

output id string = namespace.id
output fullyQualifiedNamespace string = '${namespace.name}.servicebus.windows.net'
