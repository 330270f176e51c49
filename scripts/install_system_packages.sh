#!/usr/bin/env bash
# Install what the tests run against and is not there yet: PostgreSQL, Redis, Chromium, nginx, Orthanc, DCMTK, dicom3tools.
# Nothing of it has to run as a service: the tests start their own, on free ports, in temporary folders.
set -euo pipefail

# Debian package -> a file or command that shows it is there (a newer PostgreSQL is as good).
declare -A proof=(
    [postgresql-15]='ls /usr/lib/postgresql/*/bin/initdb || command -v initdb'
    [redis-server]='command -v redis-server || command -v valkey-server'
    [chromium]='command -v chromium || command -v chromium-browser || command -v google-chrome'
    [nginx]='command -v nginx || ls /usr/sbin/nginx'
    [orthanc]='command -v Orthanc || ls /usr/sbin/Orthanc'
    [orthanc-dicomweb]='ls /usr/share/orthanc/plugins/libOrthancDicomWeb.so'
    [dcmtk]='command -v dcmdump'
    [dicom3tools]='command -v dciodvfy'
    [rsyslog]='ls /usr/sbin/rsyslogd'
    [rsyslog-gnutls]='ls /usr/lib/*/rsyslog/lmnsd_gtls.so'
)

missing=()
for package in "${!proof[@]}"; do
    eval "${proof[$package]}" >/dev/null 2>&1 || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

printf '== the tests need these system packages: %s\n' "${missing[*]}"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    printf 'error: cannot install them by myself (that takes root and apt). On Debian or Ubuntu:\n' >&2
    printf '    sudo apt-get update && sudo apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
    exit 1
fi

# Debian starts services as it installs them; this is the documented way to say no.
if ! [ -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    printf 'error: apt-get could not install %s (whole log: %s)\n' "${missing[*]}" "$log" >&2
    exit 1
fi
rm -f "$log"
printf '== installed %s\n' "${missing[*]}"
