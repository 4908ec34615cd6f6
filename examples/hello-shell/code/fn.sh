#!/bin/sh
name=$(cat)
echo "Hello, ${name:-world}, from the shell!"
