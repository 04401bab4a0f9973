//! Containers, as their control groups are called: Docker, containerd, CRI-O, podman, systemd-nspawn, LXC, and Kubernetes
//! with the drivers `systemd` and `cgroupfs`.

/// What the path of a control group says about the container that it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// 64 hexadecimal digits; None for systemd-nspawn and LXC, which use names.
    pub id: Option<String>,
    /// The UID of the pod of Kubernetes.
    pub pod_uid: Option<String>,
    /// Only systemd-nspawn and LXC have it in the path.
    pub name: Option<String>,
}

/// The words before the identifier, as in `docker-ID.scope` or `crio-ID`.
const RUNTIMES: [&str; 5] = ["docker", "cri-containerd", "crio", "libpod", "nerdctl"];
const ID_DIGITS: usize = 64;

impl Container {
    /// The container of a group, or of the group around it; None if there is none. A pod is not a container.
    pub fn of_path(path: &str) -> Option<Container> {
        let found = path.split('/').filter_map(of_group).next_back()?;
        let pod_uid = path.split('/').filter_map(pod_uid).next_back();
        Some(Container { pod_uid, ..found })
    }

    /// Is the group itself the container, and not inside it?
    pub fn is_whole(path: &str) -> bool {
        path.rsplit('/').next().is_some_and(|group| of_group(group).is_some())
    }
}

fn of_group(group: &str) -> Option<Container> {
    let name = nspawn(group).or_else(|| group.strip_prefix("lxc.payload.").map(String::from));
    let id = if name.is_none() { Some(id(group)?.to_string()) } else { None };
    Some(Container { id, name, pod_uid: None })
}

/// `docker-ID.scope`, `crio-ID`, `kubepods-…slice:cri-containerd:ID`, or only the identifier.
fn id(group: &str) -> Option<&str> {
    let unit = group.strip_suffix(".scope").unwrap_or(group);
    let named = RUNTIMES.iter().find_map(|runtime| {
        let (before, after) = unit.rsplit_once(runtime)?;
        let is_whole = before.is_empty() || before.ends_with(':');
        after.strip_prefix(['-', ':']).filter(|_| is_whole)
    });
    let id = named.unwrap_or(unit);
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (id.len() == ID_DIGITS && id.bytes().all(is_digit)).then_some(id)
}

/// `systemd-nspawn@NAME.service`, or `machine-NAME.scope`; virtual machines are no containers.
fn nspawn(group: &str) -> Option<String> {
    let service = || group.strip_prefix("systemd-nspawn@")?.strip_suffix(".service");
    let scope = || group.strip_prefix("machine-")?.strip_suffix(".scope").filter(|name| !name.starts_with("qemu"));
    service().or_else(scope).map(unescaped).filter(|name| !name.is_empty())
}

/// The name of a unit of systemd, in which `\x2d` is `-`.
fn unescaped(name: &str) -> String {
    let mut parts = name.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let escaped =
            part.split_at_checked(2).and_then(|(digits, rest)| Some((u8::from_str_radix(digits, 16).ok()?, rest)));
        match escaped {
            Some((byte, rest)) => {
                bytes.push(byte);
                bytes.extend(rest.bytes());
            }
            None => bytes.extend(b"\\x".iter().copied().chain(part.bytes())),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `kubepods-burstable-podUID.slice` with `_` for `-`, or `podUID`, also before `:` and the runtime.
fn pod_uid(group: &str) -> Option<String> {
    let unit = group.split(':').next()?;
    let uid = match unit.strip_suffix(".slice") {
        Some(slice) => slice.strip_prefix("kubepods")?.rsplit_once("-pod")?.1.replace('_', "-"),
        None => unit.strip_prefix("pod")?.to_string(),
    };
    let is_digit = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    // That of a static pod has no hyphens.
    (matches!(uid.len(), 32 | 36) && uid.bytes().all(is_digit)).then_some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4b1c0d9e8a7766554433221100ffeeddccbbaa99887766554433221100abcd";
    const UID: &str = "0c1d2e3f-4a5b-6c7d-8e9f-001122334455";
    const UNIT_UID: &str = "0c1d2e3f_4a5b_6c7d_8e9f_001122334455";

    fn ids(path: &str) -> Option<(Option<String>, Option<String>)> {
        Container::of_path(&path.replace("ID", ID).replace("POD", UID).replace("UNIT", UNIT_UID))
            .map(|container| (container.id, container.pod_uid))
    }

    #[test]
    fn runtimes_with_both_drivers() {
        for path in [
            "/docker/ID",
            "/system.slice/docker-ID.scope",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope",
            "/machine.slice/libpod-ID.scope",
            "/machine.slice/libpod-ID.scope/container",
            "/libpod_parent/libpod-ID",
            "/system.slice/nerdctl-ID.scope",
            "/default/ID",
            "/docker/ID/system.slice/nginx.service",
        ] {
            assert_eq!(ids(path), Some((Some(ID.into()), None)), "{path}");
        }
    }

    #[test]
    fn kubernetes_with_both_drivers() {
        for path in [
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUNIT.slice/cri-containerd-ID.scope",
            "/kubepods.slice/kubepods-podUNIT.slice/crio-ID.scope",
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podUNIT.slice/docker-ID.scope",
            "/kubepods/burstable/podPOD/ID",
            "/kubepods/podPOD/crio-ID",
            "/system.slice/containerd.service/kubepods-besteffort-podUNIT.slice:cri-containerd:ID",
        ] {
            assert_eq!(ids(path), Some((Some(ID.into()), Some(UID.into()))), "{path}");
        }
        // A static pod, and a nested cluster.
        let uid = "0123456789abcdef0123456789abcdef";
        let path = format!("/kubepods.slice/kubepods-pod{uid}.slice/cri-containerd-ID.scope");
        assert_eq!(ids(&path), Some((Some(ID.into()), Some(uid.into()))));
        let nested = format!("/docker/{}/kubepods/podPOD/ID", "0".repeat(64));
        assert_eq!(ids(&nested), Some((Some(ID.into()), Some(UID.into()))));
    }

    #[test]
    fn machines_have_names() {
        for (path, name) in [
            ("/machine.slice/systemd-nspawn@debian.service/payload", "debian"),
            ("/machine.slice/machine-my\\x2dbox.scope", "my-box"),
            ("/machine.slice/machine-odd\\x.scope", "odd\\x"),
            ("/lxc.payload.web/system.slice", "web"),
        ] {
            let found = Container::of_path(path).unwrap();
            assert_eq!((found.name.as_deref(), found.id), (Some(name), None), "{path}");
        }
    }

    #[test]
    fn other_groups_are_no_containers() {
        for path in [
            "/",
            "",
            "/system.slice/docker.service",
            "/machine.slice/libpod-conmon-ID.scope",
            "/kubepods.slice/kubepods-podUNIT.slice/crio-conmon-ID.scope",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUNIT.slice",
            "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
            "/docker/ID0",
            "/docker/short",
            "/user.slice/ä\\xé",
        ] {
            assert_eq!(ids(path), None, "{path}");
        }
        assert!(Container::is_whole(&format!("/docker/{ID}")) && !Container::is_whole(&format!("/docker/{ID}/x")));
    }
}
