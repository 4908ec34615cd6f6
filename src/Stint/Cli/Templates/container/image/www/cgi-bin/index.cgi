#!/bin/sh
# Runs once per call: the body on standard input, the answer on standard output after its headers; standard error is the function's log.
name=$(cat)
echo "greeting ${name:-World}" >&2
printf 'Content-Type: text/plain\r\n\r\n'
echo "${GREETING:-Hello}, ${name:-World}!"
