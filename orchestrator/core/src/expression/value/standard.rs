//! What the filters of jaq's standard library that we take over ask of a value.

use super::Val;

impl jaq_std::ValT for Val {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        self.items().map(|items| items.iter().cloned().collect()).ok_or(self.clone())
    }

    fn is_int(&self) -> bool {
        matches!(self, Self::Int(_))
    }

    fn as_isize(&self) -> Option<isize> {
        match self {
            Self::Int(int) => isize::try_from(*int).ok(),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        self.number()
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self, Self::Str(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        self.text().map(|text| text.as_bytes())
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        Self::str(String::from_utf8_lossy(part))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self::str(String::from_utf8_lossy(bytes.as_ref()))
    }
}
