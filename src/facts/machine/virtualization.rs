//! The hypervisor that we run on, and the container that we run in.

use std::path::Path;

use crate::linux::files::{Roots, read_bytes, read_once};

/// The hypervisor, from the texts of the firmware and the CPU flags; `None` on bare metal.
pub fn virtualization(roots: &Roots) -> Option<String> {
    let vendor = ["sys_vendor", "product_name", "bios_vendor", "board_vendor"]
        .iter()
        .filter_map(|f| read_once(&roots.sys(&format!("class/dmi/id/{f}"))).ok())
        .collect::<Vec<_>>()
        .join(" ");
    let known = [
        ("Amazon EC2", "amazon"),
        ("Google Compute Engine", "google"),
        ("KVM", "kvm"),
        ("QEMU", "qemu"),
        ("VMware", "vmware"),
        ("VirtualBox", "virtualbox"),
        ("innotek", "virtualbox"),
        ("Xen", "xen"),
        ("Microsoft Corporation Virtual", "hyperv"),
        ("Parallels", "parallels"),
        ("bhyve", "bhyve"),
    ];
    if let Some((_, name)) = known.iter().find(|(words, _)| vendor.contains(words)) {
        return Some((*name).to_string());
    }
    if let Ok(kind) = read_once(&roots.sys("hypervisor/type")) {
        return Some(kind);
    }
    let cpuinfo = read_once(&roots.proc("cpuinfo")).ok()?;
    let flags = cpuinfo.lines().find(|l| l.starts_with("flags"))?;
    let is_virtual = flags.split_whitespace().any(|f| f == "hypervisor");
    let named = || if roots.are_live() { by_cpuid() } else { None };
    is_virtual.then(|| named().unwrap_or_else(|| "unknown hypervisor".to_string()))
}

/// The name that the hypervisor reports through the CPUID instruction.
#[cfg(target_arch = "x86_64")]
fn by_cpuid() -> Option<String> {
    const HYPERVISOR: u32 = 0x4000_0000;
    let leaf = std::arch::x86_64::__cpuid(HYPERVISOR);
    let name: Vec<u8> = [leaf.ebx, leaf.ecx, leaf.edx].into_iter().flat_map(u32::to_le_bytes).collect();
    let known: [(&[u8], &str); 7] = [
        (b"KVMKVMKVM", "kvm"),
        (b"Linux KVM Hv", "kvm"),
        (b"TCGTCGTCGTCG", "qemu"),
        (b"VMwareVMware", "vmware"),
        (b"XenVMMXenVMM", "xen"),
        (b"Microsoft Hv", "hyperv"),
        (b"bhyve bhyve", "bhyve"),
    ];
    known.iter().find(|(words, _)| name.starts_with(words)).map(|(_, name)| (*name).to_string())
}

#[cfg(not(target_arch = "x86_64"))]
fn by_cpuid() -> Option<String> {
    None
}

/// "docker", "podman", "kubernetes", "lxc", …; `None` outside a container, and for a machine other than the running
/// one.
pub fn container(roots: &Roots) -> Option<String> {
    if !roots.are_live() {
        return None;
    }
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Some("kubernetes".into());
    }
    if Path::new("/run/.containerenv").exists() {
        return Some("podman".into());
    }
    if Path::new("/.dockerenv").exists() {
        return Some("docker".into());
    }
    // The environment of the container's first process: systemd-nspawn, lxc and others set the variable.
    let environment = read_bytes(roots.proc("1/environ")).ok()?;
    let told = environment.split(|b| *b == 0).find_map(|v| v.strip_prefix(b"container="))?;
    Some(String::from_utf8_lossy(told).into_owned()).filter(|t| !t.is_empty())
}
