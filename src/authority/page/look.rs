//! How pages look: the operator's title, colour and logo, and the style sheet made of them.

use bytes::Bytes;

use crate::authority::endpoint::ASSETS;
use crate::ground::Digest;

/// What an operator says about the look.
#[derive(Clone, Debug, Default)]
pub struct BrandParts {
    pub title: Option<String>,
    /// `#rrggbb`.
    pub colour: Option<String>,
    /// Bytes of the picture and its media type.
    pub logo: Option<(Vec<u8>, &'static str)>,
    /// Texts in place of ours, by name; `de:name` for one language alone.
    pub texts: Vec<(String, String)>,
}

/// A checked look.
#[derive(Clone, Debug)]
pub struct Brand {
    title: String,
    colour: Colour,
    logo: Option<(Vec<u8>, &'static str)>,
    texts: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Colour(u8, u8, u8);

/// A file that pages load.
pub(super) struct Asset {
    pub name: String,
    pub kind: &'static str,
    pub bytes: Bytes,
}

pub(super) struct Look {
    assets: Vec<Asset>,
    style: String,
    logo: Option<String>,
}

const STYLE: &str = include_str!("style.css");
/// The cards that coloured things stand on.
const LIGHT: Colour = Colour(0xff, 0xff, 0xff);
const DARK: Colour = Colour(0x16, 0x1b, 0x22);
/// WCAG 2.2, 1.4.3.
const READABLE: f64 = 4.5;

impl Brand {
    pub fn new(parts: BrandParts) -> Result<Self, String> {
        let colour = match &parts.colour {
            Some(text) => Colour::read(text).ok_or_else(|| format!("`{text}` is not a colour; write `#rrggbb`"))?,
            None => Colour(0x20, 0x50, 0x80),
        };
        for (name, text) in &parts.texts {
            super::check_text(name, text)?;
        }
        let title = parts.title.unwrap_or_else(|| "Portcullis".into());
        Ok(Self { title, colour, logo: parts.logo, texts: parts.texts })
    }

    pub(super) fn texts(&self) -> &[(String, String)] {
        &self.texts
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }
}

impl Default for Brand {
    fn default() -> Self {
        Self { title: "Portcullis".into(), colour: Colour(0x20, 0x50, 0x80), logo: None, texts: Vec::new() }
    }
}

impl Look {
    pub(super) fn new(prefix: &str, brand: &Brand) -> Self {
        let on_light = brand.colour.readable_on(LIGHT);
        let on_dark = brand.colour.readable_on(DARK);
        let colours = format!(
            ":root{{--brand:{};--on-brand:{};--brand-dark:{};--on-brand-dark:{}}}",
            on_light.text(),
            on_light.ink().text(),
            on_dark.text(),
            on_dark.ink().text()
        );
        // Behind the defaults, which it replaces; the dark block only points at it.
        let sheet = format!(
            "{STYLE}\n{colours}\n@media (prefers-color-scheme:dark){{:root{{--brand:var(--brand-dark);--on-brand:var(--on-brand-dark)}}}}\n"
        );
        let mut assets = vec![Asset::new("style", "css", "text/css; charset=utf-8", sheet.into_bytes())];
        if let Some((bytes, kind)) = &brand.logo {
            assets.push(Asset::new("logo", "img", kind, bytes.clone()));
        }
        let address = |asset: &Asset| format!("{prefix}{ASSETS}/{}", asset.name);
        let style = assets.first().map(address).unwrap_or_default();
        let logo = assets.get(1).map(address);
        Self { assets, style, logo }
    }

    pub(super) fn asset(&self, path: &str) -> Option<&Asset> {
        let name = path.rsplit('/').next()?;
        self.assets.iter().find(|asset| asset.name == name)
    }

    pub(super) fn style(&self) -> &str {
        &self.style
    }

    pub(super) fn logo(&self) -> Option<&str> {
        self.logo.as_deref()
    }
}

impl Asset {
    fn new(name: &str, ending: &str, kind: &'static str, bytes: Vec<u8>) -> Self {
        let name = format!("{name}-{:?}.{ending}", Digest::of(&bytes));
        Self { name, kind, bytes: Bytes::from(bytes) }
    }
}

impl Colour {
    fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let part = |from: usize| u8::from_str_radix(digits.get(from..from + 2)?, 16).ok();
        Some(Self(part(0)?, part(2)?, part(4)?))
    }

    fn text(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    /// The nearest colour, darker on light ground and lighter on dark, that can be read on `ground`.
    fn readable_on(self, ground: Self) -> Self {
        let to = if ground.luminance() > 0.5 { Self(0, 0, 0) } else { LIGHT };
        let steps = (0..=20_u8).map(|step| self.mixed(to, f64::from(step) / 20.0));
        let mut last = to;
        for colour in steps {
            last = colour;
            if colour.contrast(ground) >= READABLE {
                break;
            }
        }
        last
    }

    /// Black or white, whichever can be read better on this colour.
    fn ink(self) -> Self {
        let black = Self(0x0b, 0x0f, 0x14);
        if self.contrast(LIGHT) >= self.contrast(black) { LIGHT } else { black }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of two bytes is a byte")]
    fn mixed(self, other: Self, share: f64) -> Self {
        let mix = |one: u8, two: u8| (f64::from(one) * (1.0 - share) + f64::from(two) * share).round() as u8;
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// WCAG 2.2, "contrast ratio".
    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance() + 0.05, other.luminance() + 0.05);
        if one > two { one / two } else { two / one }
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_colour_text_can_be_read_on_it_and_it_can_be_read_on_the_card() {
        for red in (0..=255).step_by(15) {
            for green in (0..=255).step_by(15) {
                for blue in (0..=255).step_by(51) {
                    for ground in [LIGHT, DARK] {
                        let shown = Colour(red, green, blue).readable_on(ground);
                        assert!(shown.contrast(ground) >= READABLE, "{shown:?} on {ground:?}");
                        assert!(shown.ink().contrast(shown) >= READABLE, "ink on {shown:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_colour_is_a_hash_and_six_digits() {
        assert_eq!(Colour::read("#205080"), Some(Colour(0x20, 0x50, 0x80)));
        for wrong in ["205080", "#20508", "#2050800", "red", "#20508g", "", "#é0508"] {
            assert_eq!(Colour::read(wrong), None, "{wrong}");
        }
    }
}
