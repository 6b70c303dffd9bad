#!/bin/sh
exec systemctl restart "$1"
