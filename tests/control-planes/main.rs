//! The samples for Istio and Envoy Gateway on the real control planes, with a real Kubernetes API: what their
//! pages promise, and each command on them.
//!
//! There is no cluster. The API server, the control planes, the image registry and a name server are programs in a
//! network namespace of their own. A pod is a process with a network of its own ([`pod`]), in which the tests
//! run what a kubelet would, and `go/kubelet` answers for that kubelet where commands ask it for a port or a
//! process of a pod.
//!
//! The two control planes run side by side, each with an API server of its own; the tests of one run in turns.

mod applied;
mod binaries;
mod cluster;
mod envoy_gateway;
mod forward;
mod istio;
mod load;
mod namespaces;
mod needs;
mod network;
mod pod;
mod process;
mod removal;
mod shell;
mod site;

use libtest_mimic::{Arguments, Trial};

/// Tests of a control plane, by their functions.
macro_rules! trials {
    ($plane:literal; $($test:path),+ $(,)?) => {
        vec![$($crate::trial(concat!($plane, "::", stringify!($test)), $test)),+]
    };
}
use trials;

fn main() {
    let mut arguments = Arguments::from_args();
    let run = (arguments.ignored || arguments.include_ignored) && !arguments.list;
    if run && namespaces::plane().is_none() {
        namespaces::run_both();
    }
    arguments.test_threads = Some(1);
    let trials = match namespaces::plane().as_deref() {
        Some("istio") => istio::trials(),
        Some(_) => envoy_gateway::trials(),
        None => [istio::trials(), envoy_gateway::trials(), needs::trials()]
            .into_iter()
            .flatten()
            .collect(),
    };
    libtest_mimic::run(&arguments, trials).exit();
}

/// A test that fails by a panic or an error. It takes root and Go, so it is left to a command of its own.
fn trial<F>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = anyhow::Result<()>>,
{
    let run =
        move || cluster::runtime().block_on(test()).map_err(|error| format!("{error:#}").into());
    Trial::test(name, run).with_ignored_flag(true)
}
