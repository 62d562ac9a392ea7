//! How single values stand in a file: bytes as text, times as milliseconds since 1970.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ground::{Digest, Time};
use crate::store::{GrantId, SecondFactor};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Bytes of a fixed length in hexadecimal.
struct Hex<const N: usize>([u8; N]);

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
        let text: String = self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
        to.serialize_str(&text)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom(format_args!("not {} hexadecimal digits", 2 * N));
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        let mut bytes = [0; N];
        if text.len() != 2 * N {
            return Err(wrong());
        }
        for (to, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            // Small letters alone: one form for one value.
            let nibble = |digit: &u8| DIGITS.iter().position(|known| known == digit);
            let [high, low] = pair else { return Err(wrong()) };
            let (Some(high), Some(low)) = (nibble(high), nibble(low)) else { return Err(wrong()) };
            *to = u8::try_from(high << 4 | low).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

/// A pair of functions for `#[serde(with = …)]`, by way of a form that serde knows.
macro_rules! by_way_of {
    ($name:ident: $value:ty as $form:ty, $out:expr, $in:expr) => {
        pub(super) mod $name {
            use super::*;

            pub(in crate::authority::administration::whole) fn serialize<S: Serializer>(
                value: &$value,
                to: S,
            ) -> Result<S::Ok, S::Error> {
                let form: $form = $out(value);
                form.serialize(to)
            }

            pub(in crate::authority::administration::whole) fn deserialize<'de, D: Deserializer<'de>>(
                from: D,
            ) -> Result<$value, D::Error> {
                let read: fn($form) -> Result<$value, &'static str> = $in;
                read(<$form>::deserialize(from)?).map_err(D::Error::custom)
            }
        }
    };
}

by_way_of!(time: Time as u64, |time: &Time| time.millis(), |millis| Ok(Time::from_millis(millis)));
by_way_of!(
    time_if_any: Option<Time> as Option<u64>,
    |time: &Option<Time>| time.map(Time::millis),
    |millis| Ok(millis.map(Time::from_millis))
);
by_way_of!(
    digest: Digest as Hex<32>,
    |digest: &Digest| Hex(*digest.as_bytes()),
    |hex| Ok(Digest::from_bytes(hex.0))
);
by_way_of!(
    digests: Vec<Digest> as Vec<Hex<32>>,
    |digests: &Vec<Digest>| digests.iter().map(|digest| Hex(*digest.as_bytes())).collect(),
    |hex| Ok(hex.into_iter().map(|hex| Digest::from_bytes(hex.0)).collect())
);
by_way_of!(salt: [u8; 16] as Hex<16>, |salt: &[u8; 16]| Hex(*salt), |hex| Ok(hex.0));
by_way_of!(id: GrantId as Hex<16>, |id: &GrantId| Hex(id.0), |hex| Ok(GrantId(hex.0)));
by_way_of!(
    id_if_any: Option<GrantId> as Option<Hex<16>>,
    |id: &Option<GrantId>| id.map(|id| Hex(id.0)),
    |hex| Ok(hex.map(|hex| GrantId(hex.0)))
);
by_way_of!(
    made_of: Option<(GrantId, u32, u32)> as Option<(Hex<16>, u32, u32)>,
    |of: &Option<(GrantId, u32, u32)>| of.map(|(id, generation, epoch)| (Hex(id.0), generation, epoch)),
    |of| Ok(of.map(|(hex, generation, epoch)| (GrantId(hex.0), generation, epoch)))
);
by_way_of!(
    sealed: Vec<u8> as String,
    |bytes: &Vec<u8>| base64_simd::STANDARD.encode_to_string(bytes),
    |text| base64_simd::STANDARD.decode_to_vec(text).map_err(|_| "not base64")
);

/// A second factor as a user's line has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Factor {
    #[serde(with = "sealed")]
    secret: Vec<u8>,
    #[serde(with = "time")]
    made: Time,
    last_step: Option<u64>,
}

by_way_of!(
    factor: Option<SecondFactor> as Option<Factor>,
    |factor: &Option<SecondFactor>| {
        let SecondFactor { secret, made, last_step } = factor.clone()?;
        Some(Factor { secret, made, last_step })
    },
    |factor| Ok(factor.map(|Factor { secret, made, last_step }| SecondFactor { secret, made, last_step }))
);
