#!/bin/sh
# Installs with apt what the full test suite needs beside Python: servers, headers, browser, fonts. Silent when all is
# there. `driver` limits it to what builds the database driver.
set -eu
command -v apt-get >/dev/null || exit 0
missing=""
need() { command -v "$1" >/dev/null || [ -e "$1" ] || missing="$missing $2"; }
need /usr/include/mariadb/mysql.h libmariadb-dev
need pkg-config pkg-config
need gcc gcc
if [ "${1:-}" != driver ]; then
    need mariadbd mariadb-server
    [ -d /usr/lib/postgresql ] || missing="$missing postgresql"
    need redis-server redis-server
    need chromium chromium
    need msgfmt gettext
    need make make
    need wrk wrk
    [ -e /usr/share/fonts/opentype/noto ] || missing="$missing fonts-noto-cjk"
fi
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "Not installed, so something will be left out:$missing (apt-get install them as root)"
    exit 0
fi
echo "Installing:$missing"
# The tests make clusters of their own: the package need not make and start one.
[ -e /etc/postgresql-common ] || { mkdir -p /etc/postgresql-common; echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || true
# One at a time where all at once fails, so that one missing package costs only its own tests.
apt-get install -y -qq --no-install-recommends $missing >/dev/null || for package in $missing; do
    apt-get install -y -qq --no-install-recommends "$package" >/dev/null || echo "apt-get could not install $package"
done
