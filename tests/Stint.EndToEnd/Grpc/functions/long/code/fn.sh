#!/bin/sh
exec head -c "$Http_Bytes" /dev/zero
