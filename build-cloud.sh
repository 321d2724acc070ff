#!/usr/bin/env bash
# Builds and tests what needs packages that some feeds lack (docs/adr/0016-the-cloud-face.md): OzFunctions.ServiceBus and OzFunctions.FunctionApp.
# Called by build.sh. Where the feed lacks a package it prints one line, and is content.
set -euo pipefail
cd "$(dirname "$0")"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

# probe PACKAGE...: restores a project that needs them, outside the repository. Fails where the feed lacks some (NU1100 to NU1103), whose names are then in $missing;
# anything else that keeps it from being restored (no network, no sign-in, a damaged file) is a fault and ends this script with the log.
probe() {
    {
        echo '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><TargetFramework>net10.0</TargetFramework><NuGetAudit>false</NuGetAudit></PropertyGroup><ItemGroup>'
        for package in "$@"; do
            version=$(sed -n "s|.*PackageVersion Include=\"$package\" Version=\"\([^\"]*\)\".*|\1|p" Directory.Packages.props)
            echo "<PackageReference Include=\"$package\" Version=\"$version\" />"
        done
        echo '</ItemGroup></Project>'
    } >"$place/probe.csproj"
    if [ -f nuget.config ]; then cp nuget.config "$place/"; fi
    if (cd "$place" && DOTNET_CLI_UI_LANGUAGE=en dotnet restore probe.csproj --nologo -v q) >"$place/log" 2>&1; then return 0; fi
    missing=$(sed -nE "s/.*error NU110[0-3]: Unable to (find|resolve) (package |a stable package )?'?([^ ']+).*/\3/p" "$place/log" | sed 's/\.$//' | sort -u | tr '\n' ' ' | sed 's/ $//')
    if [ -n "$missing" ] && ! awk '/error( [A-Z]+[0-9]+)? *:/ && !/error NU110[0-3]:/ { other = 1 } END { exit !other }' "$place/log"; then return 1; fi
    cat "$place/log" >&2
    exit 1
}

bus=(Azure.Messaging.ServiceBus Microsoft.Azure.Amqp)
app=(Microsoft.Azure.Functions.Worker Microsoft.Azure.Functions.Worker.Sdk Microsoft.Azure.Functions.Worker.Extensions.Http.AspNetCore
    Microsoft.Azure.Functions.Worker.Extensions.ServiceBus Microsoft.Azure.Functions.Worker.Extensions.Storage.Queues
    Microsoft.Azure.Functions.Worker.Extensions.Timer Microsoft.Azure.Functions.Worker.OpenTelemetry Azure.Monitor.OpenTelemetry.Exporter)

if probe "${bus[@]}"; then
    dotnet build tests/OzFunctions.ServiceBus.Tests -c Release
    dotnet test --project tests/OzFunctions.ServiceBus.Tests -c Release --no-build "$@"
else
    echo "OzFunctions.ServiceBus is neither built nor tested here: this feed lacks $missing."
fi

if probe "${bus[@]}" "${app[@]}"; then
    dotnet build src/OzFunctions.FunctionApp/OzFunctions.FunctionApp.sln -c Release
else
    echo "OzFunctions.FunctionApp is not built here: this feed lacks $missing."
fi
