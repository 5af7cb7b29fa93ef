//! Functions declared over an HTTP service: `call: charge@payments`.

use std::collections::BTreeMap;

use reqwest::{Method, Url, header::HeaderMap};
use sagabus_adapter_sdk::{Adapter, Call, Failure, Function, Idempotency, Manifest, Standard, async_trait};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    authentication::Authentication,
    client::{Client, Outgoing, header},
    failure::{self, Effects},
    request::{self, add_defaults, append_query, encode, host_of, invalid},
    response,
    template::expand,
};

/// An adapter of its own name over one HTTP service.
pub struct Service {
    name: String,
    version: String,
    base: Url,
    headers: HeaderMap,
    authentication: Option<Authentication>,
    concurrency: Option<usize>,
    functions: BTreeMap<String, (Method, ServiceFunction)>,
    client: Client,
}

/// How a service is reached.
#[derive(Clone)]
pub struct ServiceSettings {
    /// Name of the adapter.
    pub name: String,
    /// Version of the adapter.
    pub version: String,
    /// What the functions' paths are appended to: `https://payments.example/v1`.
    pub base: String,
    /// Headers of every request.
    pub headers: BTreeMap<String, String>,
    /// Credentials of every request.
    pub authentication: Option<Authentication>,
    /// Attempts at once; `None` = the worker's default.
    pub concurrency: Option<usize>,
    /// Its functions.
    pub functions: Vec<ServiceFunction>,
}

/// One function: how its arguments become a request. What neither path, query nor headers take is the JSON body, or, for
/// GET, HEAD and OPTIONS, the query.
#[derive(Clone, Debug)]
pub struct ServiceFunction {
    /// What it is called, takes, gives and promises.
    pub function: Function,
    /// Method.
    pub method: String,
    /// Appended to the base; RFC 6570 simple expansion from the arguments: `/orders/{id}`.
    pub path: String,
    /// Arguments that go into the query.
    pub query: Vec<String>,
    /// Header by name → the argument that it takes its value from.
    pub headers: BTreeMap<String, String>,
    /// It changes nothing, whatever its method is.
    pub read: bool,
}

/// A service that is described wrongly.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The base is no URL to append a path to.
    #[error("`base`: `{base}` is not an absolute http or https URL; write https://host/path")]
    Base {
        /// As it was written.
        base: String,
    },
    /// A header that cannot be sent.
    #[error("`headers`: {0}")]
    Header(String),
    /// A function's method.
    #[error("`functions.{function}.method`: `{method}` is not a method of HTTP")]
    Method {
        /// The function.
        function: String,
        /// As it was written.
        method: String,
    },
    /// A function's path.
    #[error("`functions.{function}.path`: `{path}` has to begin with `/`")]
    Path {
        /// The function.
        function: String,
        /// As it was written.
        path: String,
    },
}

impl Service {
    /// A service that is reached through this client.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn new(client: Client, settings: ServiceSettings) -> Result<Self, ServiceError> {
        let wrong_base = || ServiceError::Base { base: settings.base.clone() };
        let base = Url::parse(&settings.base).map_err(|_| wrong_base())?;
        if !matches!(base.scheme(), "http" | "https") || base.query().is_some() || base.fragment().is_some() {
            return Err(wrong_base());
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let (name, value) = header(name, value)
                .map_err(|failure| ServiceError::Header(failure.error.detail.unwrap_or_default()))?;
            headers.append(name, value);
        }
        let mut functions = BTreeMap::new();
        for function in settings.functions {
            let name = function.function.name.clone();
            let method = request::method(&function.method)
                .map_err(|_| ServiceError::Method { function: name.clone(), method: function.method.clone() })?;
            if !(function.path.is_empty() || function.path.starts_with('/')) {
                return Err(ServiceError::Path { function: name, path: function.path });
            }
            functions.insert(name, (method, function));
        }
        Ok(Self {
            name: settings.name,
            version: settings.version,
            base,
            headers,
            authentication: settings.authentication,
            concurrency: settings.concurrency,
            functions,
            client,
        })
    }

    fn request(&self, method: &Method, function: &ServiceFunction, call: &Call) -> Result<Outgoing, Failure> {
        let Value::Object(mut rest) = call.arguments.clone() else {
            return Err(invalid(format!("the arguments of `{}` have to be an object", call.function)));
        };
        let (path, used) = expand(&function.path, &rest).map_err(invalid)?;
        rest.retain(|name, _| !used.contains(name));
        let mut headers = self.headers.clone();
        for (name, argument) in &function.headers {
            if let Some(value) = rest.shift_remove(argument) {
                let own = request::headers(&Map::from_iter([(name.clone(), value)]))?;
                headers.extend(own);
            }
        }
        let mut query: Map<String, Value> = function
            .query
            .iter()
            .filter_map(|name| rest.shift_remove(name).map(|value| (name.clone(), value)))
            .collect();
        let bodiless = method.is_safe();
        if bodiless {
            query.append(&mut rest);
        }
        let base = self.base.as_str().trim_end_matches('/');
        let mut url =
            Url::parse(&format!("{base}{path}")).map_err(|error| invalid(format!("{base}{path}: {error}")))?;
        append_query(&mut url, &query)?;
        let body = if bodiless || rest.is_empty() { Value::Null } else { Value::Object(rest) };
        let body = encode(body, &mut headers)?;
        add_defaults(&mut headers, &call.key)?;
        let effects = if function.read { Effects::Never } else { Effects::of(method) };
        Ok(Outgoing {
            method: method.clone(),
            url,
            headers,
            body,
            authentication: self.authentication.clone(),
            effects,
        })
    }
}

#[async_trait]
impl Adapter for Service {
    fn manifest(&self) -> Manifest {
        let functions = self.functions.values().map(|(method, declared)| {
            let mut function = declared.function.clone();
            if function.description.is_empty() {
                function.description =
                    format!("{method} {}{}", self.base.as_str().trim_end_matches('/'), declared.path);
            }
            if declared.read || method.is_safe() {
                function.idempotency = Idempotency::Natural;
            }
            function
        });
        Manifest {
            name: self.name.clone(),
            version: self.version.clone(),
            functions: functions.collect(),
            concurrency: self.concurrency,
        }
    }

    fn target(&self, _call: &Call) -> Option<String> {
        host_of(&self.base)
    }

    async fn call(&self, call: Call) -> Result<Value, Failure> {
        let Some((method, function)) = self.functions.get(&call.function) else {
            return Err(Failure::without_effect(
                Standard::Configuration,
                format!("`{}` has no function `{}`", self.name, call.function),
            ));
        };
        let request = self.request(method, function, &call)?;
        let received = self.client.send(&request).await?;
        if !received.status.is_success() {
            return Err(failure::status(&received, &request));
        }
        response::content(&received).map_err(|why| failure::garbage(&why, &request))
    }
}
