//! Which graphics processors this machine has, and what is missing where they cannot be read.

use crate::collect::collector::{Setup, Unavailable};
use crate::linux::files::{Roots, names_in, read_once};
use crate::linux::gpu::{SourceKind, nvml, sysfs};

/// What can be read here. Without a card this takes a few system calls.
pub fn sources(setup: &Setup) -> Vec<SourceKind> {
    let library = setup.options.gpu.nvml.clone();
    // NVML only knows this machine. A library that was asked for may be used with any roots.
    let is_nvidia = library.is_some() || setup.roots.are_live() && nvml::is_there(&setup.roots);
    let nvml = is_nvidia.then_some(SourceKind::Nvml(library));
    let sysfs = (!sysfs::cards(&setup.roots).is_empty()).then_some(SourceKind::Sysfs);
    nvml.into_iter().chain(sysfs).collect()
}

/// Why there is nothing to read.
pub fn nothing(roots: &Roots) -> Unavailable {
    let cards = unread(roots);
    if cards.is_empty() {
        let reason = format!(
            "neither {} nor a card of amdgpu, i915 or xe in {}",
            roots.proc("driver/nvidia").display(),
            roots.sys("class/drm").display()
        );
        return Unavailable::new(reason)
            .advise("in a container, pass the GPU to it: docker run --gpus all, or --device /dev/dri");
    }
    Unavailable::new(format!("the driver is not loaded for {}", cards.join(", ")))
        .advise("load nvidia, amdgpu, i915 or xe; nouveau and radeon are not read")
}

/// What to do if NVML cannot be used for this reason.
pub fn advice(reason: &str) -> &'static str {
    if reason.contains("cannot load") {
        "install libnvidia-ml.so.1 in the version of the driver, from package libnvidia-compute-* or nvidia-utils, or \
         give its path with --nvml; in a container, docker run --gpus all mounts it"
    } else {
        "nvidia-smi shows whether driver and cards work"
    }
}

/// Graphics cards of NVIDIA and AMD on the PCI bus. Those of Intel have their driver wherever there is a display.
fn unread(roots: &Roots) -> Vec<String> {
    const VENDORS: [(&str, &str); 2] = [("10de", "NVIDIA"), ("1002", "AMD")];
    // One file with a line per device: its second word is vendor and device.
    let listed = read_once(&roots.proc("bus/pci/devices")).unwrap_or_default();
    let ids = || listed.lines().filter_map(|line| line.split_whitespace().nth(1));
    if !ids().any(|id| VENDORS.iter().any(|(vendor, _)| id.starts_with(vendor))) {
        return Vec::new();
    }
    let folder = roots.sys("bus/pci/devices");
    let card = |address: String| {
        let id = |file: &str| read_once(&folder.join(&address).join(file)).ok();
        let vendor = id("vendor")?;
        let (_, name) = VENDORS.iter().find(|(id, _)| vendor.strip_prefix("0x") == Some(*id))?;
        // VGA, 3D and other display controllers.
        id("class")?.starts_with("0x03").then(|| format!("{name} {address}"))
    };
    names_in(&folder).unwrap_or_default().into_iter().filter_map(card).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::hwmon::tests::tree;

    #[test]
    fn a_card_without_its_driver_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().join("proc"), sys: dir.path().join("sys") };
        assert!(nothing(&roots).reason.starts_with("neither "), "{:?}", nothing(&roots));
        let device = |address: &str, file: &str| format!("sys/bus/pci/devices/{address}/{file}");
        let files = [
            (device("0000:00:02.0", "vendor"), "0x1af4\n"),
            (device("0000:00:02.0", "class"), "0x030000\n"),
            (device("0000:00:03.0", "vendor"), "0x1002\n"),
            (device("0000:00:03.0", "class"), "0x040300\n"),
            (device("0000:3b:00.0", "vendor"), "0x10de\n"),
            (device("0000:3b:00.0", "class"), "0x030200\n"),
        ];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        tree(dir.path(), &files);
        assert!(nothing(&roots).reason.starts_with("neither "), "not listed");
        let listed = "0010\t1af41050\tb\tfd000008\n0018\t1002ab30\t0\n3b00\t10de2330\t23\t0\t\n";
        tree(dir.path(), &[("proc/bus/pci/devices", listed)]);
        assert_eq!(nothing(&roots).reason, "the driver is not loaded for NVIDIA 0000:3b:00.0");
    }
}
