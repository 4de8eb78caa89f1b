#!/bin/sh
# Translates the contract of bytes beside envelopes with gSOAP and compiles its program. Usage: build_files.sh FOLDER
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/files.d"
cd "$1/files.d"
wsdl2h -c -F -t "$here/typemap.dat" -o files.h "$here/../wsdl/files.wsdl"
soapcpp2 -c -x -w -L files.h
gcc -w -O1 -I. -o ../files "$here/files.c" soapC.c soapServer.c soapClient.c -lgsoap
