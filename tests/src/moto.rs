//! moto, which plays AWS: a DynamoDB that checks signatures and rights, on the loopback interface.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use artifacts::run;
use envoy_harness::config::cluster;
use envoy_harness::repo_root;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::PATIENCE;

const VERSION: &str = "5.2.5";
const SETUP: &str = include_str!("moto.py");
/// What is done before rights are checked: a user, its policy, its key, the table.
const UNCHECKED: &str = "4";

/// The region of all that it has.
pub const REGION: &str = "eu-west-1";
/// The table.
pub const TABLE: &str = "circuit-breaker-state";

/// A running moto with one table, and one user who may use it. Dropped, it is killed.
#[derive(Debug)]
pub struct Moto {
    process: Child,
    address: SocketAddr,
    key: [String; 2],
    _folder: TempDir,
}

impl Moto {
    /// One whose user has this policy. moto knows no tables in it: each `Resource` is taken for any.
    ///
    /// # Errors
    /// When it is not to be had, or does not start.
    pub async fn start(policy: &Value) -> Result<Self> {
        let policy = with_any_resource(policy.clone()).to_string();
        tokio::task::spawn_blocking(move || Self::start_with(&policy)).await?
    }

    fn start_with(policy: &str) -> Result<Self> {
        let environment = environment()?;
        let folder = tempfile::tempdir()?;
        let log = File::create(folder.path().join("log"))?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = Command::new(environment.join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .env("INITIAL_NO_AUTH_ACTION_COUNT", UNCHECKED)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("moto does not run")?;
        let mut moto = Self { process, address, key: Default::default(), _folder: folder };
        let begun = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            if begun.elapsed() > PATIENCE || moto.process.try_wait()?.is_some() {
                bail!("moto does not listen");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let endpoint = format!("http://{address}");
        let python = environment.join("bin/python");
        let said = run(Command::new(python).args(["-c", SETUP, &endpoint, REGION, TABLE, policy]))?;
        let (id, secret) = said.trim().split_once(' ').context("moto made no key")?;
        moto.key = [id.to_owned(), secret.to_owned()];
        Ok(moto)
    }

    /// A cluster that signs what is sent there, by the user's key, or by its key and a wrong secret.
    #[must_use]
    pub fn cluster(&self, name: &str, secret: Option<&str>) -> Value {
        let [id, own] = &self.key;
        let mut cluster = cluster(name, self.address);
        cluster["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http_protocol_options": {} },
                "http_filters": [
                    { "name": "signing", "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning",
                        "service_name": "dynamodb",
                        "region": REGION,
                        "credential_provider": { "inline_credential": {
                            "access_key_id": id, "secret_access_key": secret.unwrap_or(own),
                        } },
                    } },
                    { "name": "codec", "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
                    } },
                ],
            },
        });
        cluster
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn with_any_resource(mut policy: Value) -> Value {
    for statement in policy["Statement"].as_array_mut().into_iter().flatten() {
        statement["Resource"] = json!("*");
    }
    policy
}

/// A virtual environment with moto from PyPI.
fn environment() -> Result<PathBuf> {
    let home = repo_root().join("target/moto");
    let (environment, done) = (home.join(VERSION), home.join(format!("{VERSION}.done")));
    fs::create_dir_all(&home)?;
    let lock = File::create(home.join(".lock"))?;
    lock.lock()?;
    if !done.exists() {
        eprintln!("installing moto {VERSION} from PyPI into {}", environment.display());
        // It cannot be moved once it is made.
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
        run(Command::new(environment.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
            .arg(format!("moto[server]=={VERSION}"))
            .env("PIP_USER", "0"))?;
        fs::write(&done, "")?;
    }
    Ok(environment)
}
