//! Where numbers are read from: a file, a server, a UNIX socket.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

/// What is asked for where a URL has no path, and of UNIX sockets.
const PATH: &str = "/metrics";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    File(PathBuf),
    Http(Url),
    Unix(PathBuf),
}

/// `http://HOST:PORT/PATH`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub host: String,
    pub port: u16,
    /// With the query.
    pub path: String,
}

impl Target {
    /// # Errors
    /// What is wrong, and what to write.
    pub fn parse(text: &str) -> Result<Target, String> {
        if text.is_empty() || text.contains(char::is_control) {
            return Err("write FILE, http://HOST:PORT/PATH or unix:PATH".into());
        }
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///run/x` is written for other programs.
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err("unix: needs the path of a socket".into())
            } else {
                Ok(Target::Unix(path.into()))
            };
        }
        match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => Url::parse(rest).map(Target::Http),
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                Err("https is not supported: use http:// on this machine, or let the program write a file".into())
            }
            Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
                Err(format!("{scheme}:// is not supported; write FILE, http://HOST:PORT/PATH or unix:PATH"))
            }
            _ => Ok(Target::File(text.into())),
        }
    }

    /// The value of the label `instance`, as Prometheus has it.
    pub fn instance(&self) -> String {
        match self {
            Target::File(path) | Target::Unix(path) => path.display().to_string(),
            Target::Http(url) => url.authority(),
        }
    }

    /// The path to ask for.
    pub fn path(&self) -> &str {
        if let Target::Http(url) = self { &url.path } else { PATH }
    }
}

impl Url {
    fn parse(text: &str) -> Result<Url, String> {
        let text = text.split('#').next().unwrap_or_default();
        let end = text.find(['/', '?']).unwrap_or(text.len());
        let (authority, path) = text.split_at_checked(end).unwrap_or((text, ""));
        if authority.contains('@') {
            return Err("a URL with a user or password would be stored in the recording; leave them out".into());
        }
        if text.contains(char::is_whitespace) {
            return Err("a URL has no blanks; write %20".into());
        }
        let (host, port) = match authority.rsplit_once(':') {
            // `[::1]` ends in a bracket.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| format!("`{port}` is not a port"))?)
            }
            _ => (authority, 80),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err("the URL has no host: http://HOST:PORT/PATH".into());
        }
        let path = match path {
            "" => PATH.into(),
            query if query.starts_with('?') => format!("{PATH}{query}"),
            path => path.into(),
        };
        Ok(Url { host: host.into(), port, path })
    }

    /// `HOST:PORT`
    pub fn authority(&self) -> String {
        let Url { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// As it is written on the command line.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::File(path) => write!(f, "{}", path.display()),
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
            Target::Http(url) => write!(f, "http://{}{}", url.authority(), url.path),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_urls_and_sockets() {
        for (text, shown, instance) in [
            ("out/metrics.prom", "out/metrics.prom", "out/metrics.prom"),
            ("a:b", "a:b", "a:b"),
            ("unix:/run/x.sock", "unix:/run/x.sock", "/run/x.sock"),
            ("unix:///run/x.sock", "unix:/run/x.sock", "/run/x.sock"),
            ("http://localhost:9100", "http://localhost:9100/metrics", "localhost:9100"),
            ("HTTP://10.0.0.1/", "http://10.0.0.1:80/", "10.0.0.1:80"),
            ("http://[::1]:9100/a/b?c=d#e", "http://[::1]:9100/a/b?c=d", "[::1]:9100"),
            ("http://[::1]", "http://[::1]:80/metrics", "[::1]:80"),
            ("http://h?x=1", "http://h:80/metrics?x=1", "h:80"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.to_string(), target.instance()), (shown.to_string(), instance.to_string()), "{text}");
            assert_eq!(Target::parse(shown), Ok(target), "{shown}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (text, why) in [
            ("", "write FILE"),
            ("a\nb", "write FILE"),
            ("unix:", "unix: needs the path"),
            ("https://localhost:9100/metrics", "https is not supported"),
            ("ftp://x", "ftp:// is not supported"),
            ("http://", "the URL has no host"),
            ("http://:9100/", "the URL has no host"),
            ("http://h:port/", "`port` is not a port"),
            ("http://h:70000/", "`70000` is not a port"),
            ("http://user:secret@h/", "a URL with a user or password"),
            ("http://h/a b", "a URL has no blanks"),
        ] {
            let said = Target::parse(text).unwrap_err();
            assert!(said.starts_with(why), "{text}: {said}");
        }
    }
}
