#!/bin/sh
# Compiles gSOAP's WS-Security plugin into a caller of the contract `bare`. Usage: build_secure.sh FOLDER   leaves FOLDER/secure
set -e
here=$(cd "$(dirname "$0")" && pwd)
gsoap=/usr/share/gsoap
mkdir -p "$1/secure.d"
cd "$1/secure.d"
wsdl2h -c -F -t "$here/typemap.dat" -o bare.h "$here/../wsdl/bare.wsdl"
echo '#import "wsse.h"' >> bare.h
soapcpp2 -C -c -x -w -L -I"$gsoap/import" -I"$gsoap" bare.h
flags="-w -O1 -I. -I$gsoap -I$gsoap/plugin -I$gsoap/custom -DWITH_OPENSSL -DWITH_DOM -DWITH_GZIP"
for file in "$here/secure.c" soapC.c soapClient.c "$gsoap/plugin/wsseapi.c" "$gsoap/plugin/smdevp.c" \
    "$gsoap/plugin/mecevp.c" "$gsoap/plugin/threads.c" "$gsoap/custom/struct_timeval.c"; do
    gcc $flags -c "$file" &
done
wait
gcc -o ../secure ./*.o -lgsoapssl -lssl -lcrypto -lz -lpthread
