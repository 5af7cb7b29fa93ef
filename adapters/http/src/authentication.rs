//! Who the caller says to be.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::header::HeaderValue;
use sagabus_adapter_sdk::Failure;
use serde::Deserialize;

use crate::client::sensitive;

/// Credentials. Not `Debug`, so that no log has them.
#[derive(Clone, Deserialize)]
#[serde(tag = "scheme", rename_all = "lowercase", deny_unknown_fields)]
pub enum Authentication {
    /// RFC 7617.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: String,
    },
    /// RFC 6750.
    Bearer {
        /// Token.
        token: String,
    },
    /// RFC 7616.
    Digest {
        /// User name.
        username: String,
        /// Password.
        password: String,
    },
}

impl Authentication {
    /// The value of `Authorization`, for the schemes that need no challenge.
    pub(crate) fn header(&self) -> Result<Option<HeaderValue>, Failure> {
        match self {
            Self::Basic { username, password } => {
                sensitive(&format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))).map(Some)
            }
            Self::Bearer { token } => sensitive(&format!("Bearer {token}")).map(Some),
            Self::Digest { .. } => Ok(None),
        }
    }
}
