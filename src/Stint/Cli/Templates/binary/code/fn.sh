#!/bin/sh
# Runs once per call: the body is standard input, the answer is standard output, standard error is the log
# (stint logs -f {{name}}). An exit status other than 0 makes the answer a 500.
# Headers of the call are variables: Http_Accept, Http_User_Agent and so on.
set -eu

name=$(cat)
echo "greeting ${name:-World}" >&2
echo "${GREETING:-Hello}, ${name:-World}!"
