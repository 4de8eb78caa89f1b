#!/bin/sh
# Translates our contracts with gSOAP and compiles server and client from the result.
# Usage: build.sh FOLDER   leaves FOLDER/server and FOLDER/client
set -e
here=$(cd "$(dirname "$0")" && pwd)
cd "$1"
wsdl2h -c -F -t "$here/typemap.dat" -o all.h \
    "$here/../wsdl/orders.wsdl" "$here/../wsdl/bare.wsdl" "$here/../wsdl/rpc.wsdl" "$here/../wsdl/encoded.wsdl"
soapcpp2 -c -x -w -L all.h
for file in soapC soapServer soapClient; do
    gcc -w -O1 -c "$file.c" &
done
for file in server client; do
    gcc -w -O1 -I. -c "$here/$file.c" -o "$file.o" &
done
wait
gcc -o server server.o soapC.o soapServer.o -lgsoap -lpthread
gcc -o client client.o soapC.o soapClient.o -lgsoap
