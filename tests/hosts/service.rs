//! The service behind both hosts: it answers each request alike, and tells what it got.

const GRPC: &str = "application/grpc";

/// What it got.
pub(crate) struct Got {
    /// Names and values, the path among them as `:path`.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Its answer: headers besides the status, and a body.
pub(crate) fn answer(got: &Got) -> (Vec<(&'static str, String)>, Vec<u8>) {
    const TOLD: &[&str] = &[":path", "grpc-timeout", "te"];
    let is_told = |name: &str| TOLD.contains(&name) || is_ours(name);
    let told = got.headers.iter().filter(|(name, _)| is_told(name));
    let mut told: Vec<_> = told.map(|(name, value)| format!("{name}={value}")).collect();
    told.sort_unstable();
    if got.headers.iter().any(|(name, value)| name == "content-type" && value == GRPC) {
        // Trailers only, so that it needs none.
        let headers = vec![
            ("content-type", GRPC.to_owned()),
            ("grpc-status", "9".to_owned()),
            ("grpc-message", told.join(" ")),
        ];
        return (headers, Vec::new());
    }
    let body = if got.body.is_empty() { b"hello".to_vec() } else { got.body.clone() };
    let headers = vec![
        ("x-p-up", "1".to_owned()),
        ("x-p-got", told.join(" ")),
        ("content-length", body.len().to_string()),
    ];
    (headers, body)
}

fn is_ours(name: &str) -> bool {
    name.starts_with("x-p-")
}

/// What a client tells of an answer.
pub(crate) fn client_saw(
    status: &str,
    headers: impl Iterator<Item = (String, String)>,
    body: &[u8],
) -> Vec<String> {
    const TOLD: &[&str] = &["content-length", "content-type", "grpc-message", "grpc-status"];
    let headers = headers.filter(|(name, value)| {
        // Where there is no body the codec says so or not, as it sees fit.
        let is_codecs = name == "content-length" && value == "0";
        !is_codecs && (is_ours(name) || TOLD.contains(&name.as_str()))
    });
    let mut headers: Vec<_> =
        headers.map(|(name, value)| format!("client, {name}: {value}")).collect();
    headers.sort_unstable();
    let mut lines = vec![format!("client, status: {status}")];
    lines.extend(headers);
    lines.push(format!("client, body: {}", String::from_utf8_lossy(body)));
    lines
}

/// What a client tells that got no whole answer.
pub(crate) const CUT_OFF: &str = "client: cut off";
