// node check-kubernetes.mjs FILE… : is what these files say what Kubernetes understands? Two looks, both at what Kubernetes publishes of its API (its OpenAPI document, in the package kubernetes-models):
//   values   the schemas: kinds, required fields, types, words out of a list, formats
//   names    the types: a field that there is not is an error, as with 'kubectl apply --validate=strict'
// Prints "KIND NAME" for each object that is right; the first that is not ends it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

const here = dirname(fileURLToPath(import.meta.url));
const objects = [];
for (const file of process.argv.slice(2)) {
    for (const document of parseAllDocuments(readFileSync(file, 'utf8'), { uniqueKeys: true })) {
        if (document.errors.length > 0) fail(`${file}: ${document.errors[0].message}`);
        const object = document.toJS();
        if (object !== null) objects.push({ file, object });
    }
}
if (objects.length === 0) fail('nothing to check');

let types = '';
for (const [index, { file, object }] of objects.entries()) {
    const group = object.apiVersion, kind = object.kind;
    if (!/^[a-z0-9./]+$/.test(group ?? '') || !/^[A-Za-z]+$/.test(kind ?? '')) fail(`${file}: no apiVersion or kind`);
    let model;
    try {
        model = (await import(`kubernetes-models/${group}`))[kind];
    } catch {
        fail(`${file}: Kubernetes has no ${group}`);
    }
    if (!model) fail(`${file}: ${group} has no ${kind}`);
    try {
        new model(object).validate();
    } catch (error) {
        fail(`${file}: ${kind} ${object.metadata?.name}: ${error.message}`);
    }
    types += `import type { I${kind} as T${index} } from 'kubernetes-models/${group}';\nexport const o${index}: T${index} = ${JSON.stringify(object)};\n`;
}

const folder = mkdtempSync(join(here, 'check-'));
try {
    writeFileSync(join(folder, 'objects.ts'), types);
    execFileSync(process.execPath, [join(here, 'node_modules/typescript/bin/tsc'), '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--moduleResolution', 'nodenext', join(folder, 'objects.ts')], { encoding: 'utf8' });
} catch (error) {
    fail(error.stdout || error.message);
} finally {
    rmSync(folder, { recursive: true });
}
for (const { object } of objects) console.log(`${object.kind} ${object.metadata.name}`);

function fail(message) {
    console.error(message);
    process.exit(1);
}
