//! Parses `/proc/interrupts`: a line of the online CPUs, then a line per interrupt.
//!
//! ```text
//!            CPU0       CPU1
//!  36:          0    5652228 PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0
//! LOC:    5785093    6056853   Local timer interrupts
//! ERR:          0
//! ```
//! Between the numbers and the device stand the chip, the number at the chip and the trigger, and each of them may be
//! missing: kernels and architectures differ. What they have in common is that two blanks come before the device.

use crate::linux::scan::{number, words};

/// A line of interrupts, without its counts.
#[derive(Debug, PartialEq)]
pub struct Line<'t> {
    pub name: &'t [u8],
    pub device: Option<&'t [u8]>,
}

/// The CPUs in the first line; `None` if it is another file.
pub fn cpus(header: &[u8]) -> Option<Vec<u32>> {
    let cpu = |word: &[u8]| u32::try_from(number(word.strip_prefix(b"CPU")?)?).ok();
    words(header).map(cpu).collect::<Option<Vec<u32>>>().filter(|cpus| !cpus.is_empty())
}

/// Parses a line and puts its counts into `counts`: one per CPU, fewer if the kernel has one number for all of them.
/// `None` if it has no name or no count.
pub fn line<'t>(text: &'t [u8], cpus: usize, counts: &mut Vec<u64>) -> Option<Line<'t>> {
    counts.clear();
    let (name, mut rest) = text.split_at_checked(text.iter().position(|b| *b == b':')?)?;
    let name = name.trim_ascii();
    rest = rest.strip_prefix(b":")?;
    while counts.len() < cpus {
        let trimmed = rest.trim_ascii_start();
        let end = trimmed.iter().position(|b| *b == b' ').unwrap_or(trimmed.len());
        let Some((word, behind)) = trimmed.split_at_checked(end) else { break };
        let Some(count) = number(word) else { break };
        counts.push(count);
        rest = behind;
    }
    if name.is_empty() || counts.is_empty() {
        return None;
    }
    let device = if number(name).is_some() { device(rest) } else { Some(rest.trim_ascii()) };
    Some(Line { name, device: device.filter(|device| !device.is_empty()) })
}

/// What stands behind the last two blanks, if it is not the number at the chip or the trigger.
fn device(text: &[u8]) -> Option<&[u8]> {
    let at = text.windows(2).rposition(|two| two == b"  ")?;
    // The trigger is padded with blanks, so a line that ends with them has no device.
    text.get(at + 2..).filter(|tail| number(tail).is_none() && !tail.ends_with(b" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, counts and device as text.
    fn parsed(text: &str, cpus: usize) -> Option<(String, Vec<u64>, Option<String>)> {
        let mut counts = Vec::new();
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let found = line(text.as_bytes(), cpus, &mut counts)?;
        Some((shown(found.name), counts.clone(), found.device.map(shown)))
    }

    #[test]
    fn the_devices_of_kernels_and_architectures() {
        let cases: &[(&str, &str, &[u64], Option<&str>)] = &[
            // x86, Linux 6.x
            (
                " 36:          0    5652228 PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0",
                "36",
                &[0, 5_652_228],
                Some("virtio1-req.0"),
            ),
            (
                "122:          7          0 IR-PCI-MSI-0000:00:1f.3    0-edge      snd_hda_intel:card0",
                "122",
                &[7, 0],
                Some("snd_hda_intel:card0"),
            ),
            (
                "  9:          1          2   IO-APIC   9-fasteoi   acpi, ehci_hcd:usb1, PCIe PME",
                "9",
                &[1, 2],
                Some("acpi, ehci_hcd:usb1, PCIe PME"),
            ),
            // Without a device: the trigger is padded.
            ("  0:         46          0   IO-APIC   2-edge    ", "0", &[46, 0], None),
            // x86, Linux 2.6.32
            ("  0:        126          0   IO-APIC-edge      timer", "0", &[126, 0], Some("timer")),
            // ARM64 and ARM
            (
                " 11:    9000001    8000002     GICv3  27 Level     arch_timer",
                "11",
                &[9_000_001, 8_000_002],
                Some("arch_timer"),
            ),
            (" 23:          5          0     GICv3  78 Edge    ", "23", &[5, 0], None),
            (" 17:         12         34       GIC  29 Level     twd", "17", &[12, 34], Some("twd")),
            (" 40:          1          0      gpio  12", "40", &[1, 0], None),
            (
                "IPI0:    100200    300400       Rescheduling interrupts",
                "IPI0",
                &[100_200, 300_400],
                Some("Rescheduling interrupts"),
            ),
            // POWER and s390
            (" 21:          3          4  XIVE-IRQ 2097173 Edge      nvme0q1", "21", &[3, 4], Some("nvme0q1")),
            ("CLK:         97        101   [EXT] Clock Comparator", "CLK", &[97, 101], Some("[EXT] Clock Comparator")),
            (
                "LOC:    5785093    6056853   Local timer interrupts",
                "LOC",
                &[5_785_093, 6_056_853],
                Some("Local timer interrupts"),
            ),
            ("ERR:          3", "ERR", &[3], None),
            ("Err:          0", "Err", &[0], None),
        ];
        for (text, name, counts, device) in cases {
            let expected = (name.to_string(), counts.to_vec(), device.map(str::to_string));
            assert_eq!(parsed(text, 2), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_line_of_interrupts() {
        for text in ["", ":", " : 1 2", "36", "FIQ:              usb_fiq", "36: x 1", "36: -1 2"] {
            assert_eq!(parsed(text, 2), None, "{text:?}");
        }
        // A torn line.
        assert_eq!(parsed(" 36:   5", 2), Some(("36".into(), vec![5], None)));
        // The number at the chip is not a count.
        assert_eq!(parsed(" 36: 5 6 7 8", 2), Some(("36".into(), vec![5, 6], None)));
    }

    #[test]
    fn the_cpus_of_the_first_line() {
        assert_eq!(cpus(b"           CPU0       CPU1       CPU17      "), Some(vec![0, 1, 17]));
        for text in ["", "   ", "CPU0 LOC", "CPU", "CPU99999999999"] {
            assert_eq!(cpus(text.as_bytes()), None, "{text:?}");
        }
    }
}
