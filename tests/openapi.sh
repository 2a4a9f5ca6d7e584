#!/bin/sh
# Checks the API's description, and a running server against it, with tools that are not part of the
# test suite: openapi-spec-validator and schemathesis (both Python packages) must be on the PATH.
# It sends odd requests, prune among them: point it at a server on data that may go.
#
#   auditql serve --data /tmp/fuzzed --listen 127.0.0.1:9791 &
#   tests/openapi.sh http://127.0.0.1:9791
set -eu
url=${1:?usage: tests/openapi.sh URL}
openapi-spec-validator "$(dirname "$0")/../docs/openapi.json"
# The stream of arriving events has no end. A schema cannot say which text is a filter, so refusals
# of what it allows (positive_data_acceptance) are no mismatch; nor are servers that take more than
# it says, such as any bytes at the webhook.
schemathesis run "$url/api/v1/openapi.json" --url "$url" \
    --exclude-path /api/v1/events/stream \
    --phases examples,coverage,fuzzing --max-examples "${EXAMPLES:-40}" \
    --exclude-checks positive_data_acceptance,negative_data_rejection
