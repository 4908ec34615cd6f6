// node check-restricted.mjs FILE… : would pods of these files be admitted at the level "restricted" of Kubernetes' Pod Security Standards? Its rules, one by one, as
// https://kubernetes.io/docs/concepts/security/pod-security-standards/ has them (those of "baseline" first). Prints what breaks one.
import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';

const problems = [];
let pods = 0;
for (const file of process.argv.slice(2)) {
    for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
        const object = document.toJS();
        const pod = object?.spec?.template?.spec ?? (object?.kind === 'Pod' ? object.spec : undefined);
        if (pod) check(`${object.kind} ${object.metadata.name}`, pod);
    }
}
if (pods === 0) problems.push('no pods');
if (problems.length > 0) {
    console.error(problems.join('\n'));
    process.exit(1);
}

function check(name, pod) {
    pods++;
    const rule = (holds, what) => holds || problems.push(`${name}: ${what}`);
    for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) rule(!pod[key], key);
    const volumes = ['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret'];
    for (const volume of pod.volumes ?? []) for (const kind of Object.keys(volume)) rule(kind === 'name' || volumes.includes(kind), `volume ${volume.name}: ${kind}`);
    rule((pod.securityContext?.sysctls ?? []).length === 0, 'sysctls');
    for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
        const own = container.securityContext ?? {}, of = key => own[key] ?? pod.securityContext?.[key];
        const here = (holds, what) => rule(holds, `container ${container.name}: ${what}`);
        here(!own.privileged, 'privileged');
        here(own.allowPrivilegeEscalation === false, 'allowPrivilegeEscalation');
        here((own.capabilities?.drop ?? []).includes('ALL'), 'capabilities.drop');
        here((own.capabilities?.add ?? []).every(capability => capability === 'NET_BIND_SERVICE'), 'capabilities.add');
        here(of('runAsNonRoot') === true, 'runAsNonRoot');
        here(of('runAsUser') !== 0, 'runAsUser');
        here(['RuntimeDefault', 'Localhost'].includes(of('seccompProfile')?.type), 'seccompProfile');
        here([undefined, 'Default'].includes(own.procMount), 'procMount');
        here((container.ports ?? []).every(port => !port.hostPort), 'hostPort');
    }
}
