//! The colours of series: those of Okabe and Ito without the yellow, the light ones darkened until their contrast is
//! at least 3:1 on white and on a dark background. Dashes are a second channel.

/// Colours in their order of use. The most that one chart should have.
pub const COLOURS: [&str; 6] = ["#0072B2", "#B97A00", "#009E73", "#C56A9B", "#2E8FC9", "#D55E00"];

/// The hue of heat maps.
pub const HEAT: &str = "#0072B2";

/// How a series is drawn: its colour, and the pattern of its dashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ink {
    pub colour: &'static str,
    pub dash: &'static str,
}

/// The ink of the series with this index. After six the colours repeat with other dashes.
pub fn ink(index: usize) -> Ink {
    const DASHES: [&str; 4] = ["", "6 3", "2 2", "8 2 2 2"];
    let pick = |list: &[&'static str], at: usize| list.get(at % list.len().max(1)).copied().unwrap_or("");
    Ink { colour: pick(&COLOURS, index), dash: pick(&DASHES, index / COLOURS.len()) }
}

impl Ink {
    /// `stroke="#0072B2" stroke-dasharray="6 3"`
    pub fn stroke(self) -> String {
        match self.dash {
            "" => format!("stroke=\"{}\"", self.colour),
            dash => format!("stroke=\"{}\" stroke-dasharray=\"{dash}\"", self.colour),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast of WCAG 2: relative luminance of sRGB.
    fn luminance(hex: &str) -> f64 {
        let channel = |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        0.2126 * linear(channel(1)) + 0.7152 * linear(channel(3)) + 0.0722 * linear(channel(5))
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn legible_on_light_and_dark() {
        assert!((contrast("#ffffff", "#000000") - 21.0).abs() < 1e-9);
        for colour in COLOURS {
            for ground in ["#ffffff", "#121212", "#16181d"] {
                assert!(contrast(colour, ground) >= 3.0, "{colour} on {ground}: {}", contrast(colour, ground));
            }
        }
    }

    #[test]
    fn no_two_series_look_the_same() {
        let inks: Vec<Ink> = (0..24).map(ink).collect();
        for (n, ink) in inks.iter().enumerate() {
            assert!(!inks[..n].contains(ink), "{n}");
        }
    }
}
