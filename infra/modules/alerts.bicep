// What a person should hear of: dead letters, runs that wait too long, no host, lost hosts, an app that says nothing. The queries read lines that the function app writes.
param name string
param location string
param email string
param applicationInsightsId string
param serviceBusId string

var fleet = 'traces | where message startswith "Fleet: " | extend waiting = toint(customDimensions.Waiting), oldest = toint(customDimensions.OldestSeconds), ready = toint(customDimensions.ReadyHosts), dead = toint(customDimensions.DeadHosts)'
var queries = [
  { name: 'oldest-run', severity: 2, text: 'The oldest ready run has waited for more than an hour.', query: '${fleet} | where oldest > 3600', operator: 'GreaterThan', threshold: 0 }
  { name: 'no-ready-host', severity: 1, text: 'Runs are ready, and no host takes runs.', query: '${fleet} | where waiting > 0 and ready == 0', operator: 'GreaterThan', threshold: 0 }
  { name: 'lost-host', severity: 2, text: 'A host went without a word, within the last day; its runs are settled by others.', query: '${fleet} | where dead > 0', operator: 'GreaterThan', threshold: 0 }
  { name: 'dead-letter', severity: 3, text: 'A message became a dead letter (ozf dead-letters list).', query: 'traces | where message contains " became dead letter "', operator: 'GreaterThan', threshold: 0 }

  // An app that ends at its start writes none of the other lines either.
  { name: 'silent', severity: 1, text: 'Tick has written nothing for ten minutes: the function app does not run; its log says why.', query: fleet, operator: 'LessThan', threshold: 1 }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: '${name}-people'
  location: 'global'
  properties: {
    groupShortName: take(name, 12)
    enabled: true
    emailReceivers: [{ name: 'mail', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-03-15-preview' = [
  for rule in queries: {
    name: '${name}-${rule.name}'
    location: location
    properties: {
      description: rule.text
      severity: rule.severity
      enabled: true
      scopes: [applicationInsightsId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT10M'
      criteria: {
        allOf: [
          { query: rule.query, timeAggregation: 'Count', operator: rule.operator, threshold: rule.threshold, failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 } }
        ]
      }
      autoMitigate: true
      actions: { actionGroups: empty(email) ? [] : [people.id] }
    }
  }
]

resource deadLetters 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${name}-dead-messages'
  location: 'global'
  properties: {
    description: 'Messages lie in oz-requests/$deadletterqueue: PoisonedRequestsFromServiceBus does not take them.'
    severity: 2
    enabled: true
    scopes: [serviceBusId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'dead'
          criterionType: 'StaticThresholdCriterion'
          metricName: 'DeadletteredMessages'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          timeAggregation: 'Minimum'
          operator: 'GreaterThan'
          threshold: 0

          // Not the subscriptions of oz-events: those are their readers' to empty.
          dimensions: [{ name: 'EntityName', operator: 'Include', values: ['oz-requests'] }]
        }
      ]
    }
    actions: empty(email) ? [] : [{ actionGroupId: people.id }]
  }
}
