#!/bin/sh
# A courier: a program that gets the arguments of the call as JSON on stdin and gives its output as JSON on stdout.
# The shipment's number follows from the idempotency key, so that a booking that comes again is the same one.
if [ "$1" != book ]; then
    echo "a courier can book, not $1" >&2
    exit 64
fi
cat >/dev/null
echo "{ \"shipment\": \"ship-$(echo "$SAGABUS_IDEMPOTENCY_KEY" | cut -c 1-8)\" }"
