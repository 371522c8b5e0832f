#!/usr/bin/env bash
# generate.sh: generates a TypeScript and a Java client from docs/openapi.yaml with stock generators, compiles them, and lets each of them
# draw from a node of its own, and hold units of a pool. Everything it makes stands in bin/clients. It needs node 20, npm, and a JDK of 17; see docs/clients.md.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/examples/clients
out=$root/bin/clients
mkdir -p "$out"
cd "$out"

echo "== generators (pinned in examples/clients/package-lock.json)"
cp "$here/package.json" "$here/package-lock.json" "$here/prepare.mjs" .
npm ci --ignore-scripts --no-audit --no-fund --silent
tool=$out/node_modules/.bin
jar=$out/node_modules/@openapitools/openapi-generator-cli/bin/openapi-generator.jar

echo "== TypeScript: openapi-typescript"
rm -rf typescript && cp -r "$here/typescript" typescript
"$tool/openapi-typescript" "$root/docs/openapi.yaml" --default-non-nullable=false -o typescript/drawd.d.ts
cp package.json typescript/ # "type": "module" for what is compiled
"$tool/tsc" -p typescript

echo "== Java: openapi-generator, from the document as OpenAPI 3.0"
rm -rf java && mkdir -p java/classes
"$tool/openapi-down-convert" --input "$root/docs/openapi.yaml" --output java/openapi30.yaml
node prepare.mjs java/openapi30.yaml java/openapi30.json
java -jar "$jar" validate -i java/openapi30.json >java/validate.log 2>&1 || { tail -20 java/validate.log; exit 1; }
java -jar "$jar" generate -g java --library native -i java/openapi30.json -o java/client \
  --additional-properties=hideGenerationTimestamp=true,openApiNullable=false,dateLibrary=java8,invokerPackage=io.drawd,apiPackage=io.drawd.api,modelPackage=io.drawd.model \
  >java/generate.log 2>&1 || { tail -20 java/generate.log; exit 1; }
# The generator's jar holds what its clients need: Jackson with its module for times, and the annotations.
find java/client/src/main/java "$here/java" -name '*.java' >java/sources
javac -nowarn -encoding UTF-8 -cp "$jar" -d java/classes @java/sources

echo "== a node"
(cd "$root" && go build -trimpath -o bin/drawd ./cmd/drawd)
"$root/bin/drawd" dev --api 127.0.0.1:0 --admin 127.0.0.1:0 >dev.log 2>&1 &
node=$!
trap 'kill $node 2>/dev/null || true; wait $node 2>/dev/null || true' EXIT
for _ in $(seq 300); do
  url=$(awk '/^  data plane /{print $3}' dev.log)
  admin=$(awk '/^  control plane /{print $3}' dev.log)
  [ -n "$admin" ] && break
  kill -0 $node || { cat dev.log; exit 1; }
  sleep 0.1
done

node typescript/draw.js "$url" "$admin"
java -cp "$jar:java/classes" Draw "$url" "$admin"
echo "both clients compile, draw and hold"
