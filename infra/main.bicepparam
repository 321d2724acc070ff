// az deployment group create --resource-group RG --parameters infra/main.bicepparam
using 'main.bicep'

param name = 'ozf'
param hostCount = 1
param hostSshPublicKey = readEnvironmentVariable('OZF_SSH_PUBLIC_KEY')
param releaseUrl = readEnvironmentVariable('OZF_RELEASE_URL')
param releaseSha256 = readEnvironmentVariable('OZF_RELEASE_SHA256')
param apiKey = readEnvironmentVariable('OZF_API_KEY')
param warpApiKey = readEnvironmentVariable('WARP_API_KEY')
param alertEmail = ''
