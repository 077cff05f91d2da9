//! All listeners together.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::downstream::{Downstream, Initial};
use crate::fallback::Fallback;
use crate::registry::Registry;
use crate::{calls, control, fallback, health, server};

/// Which ports to listen on. 0, the default, stands for any free one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    /// Of the services that a breaker protects.
    pub downstream: u16,
    /// Of the service that answers in their stead.
    pub fallback: u16,
    /// Of their health checks.
    pub health: u16,
    /// Of the program's own controls.
    pub control: u16,
}

/// The running services. Dropping them closes all listeners and connections.
#[derive(Debug)]
pub struct Services {
    downstream: SocketAddr,
    fallback: SocketAddr,
    health: SocketAddr,
    control: SocketAddr,
    registry: Registry,
    fallback_service: Fallback,
    servers: JoinSet<()>,
}

impl Services {
    /// Binds the downstream, fallback, health and control listeners and serves them on the
    /// current tokio runtime. No call fails and none takes time until a service is told so.
    ///
    /// # Errors
    ///
    /// If a port cannot be bound.
    pub async fn start(ports: Ports) -> io::Result<Self> {
        Self::start_with(ports, Initial::default()).await
    }

    /// The same, with services that behave like this at first.
    ///
    /// # Errors
    ///
    /// If a port cannot be bound.
    pub async fn start_with(ports: Ports, initial: Initial) -> io::Result<Self> {
        let downstream = bind("downstream", ports.downstream).await?;
        let fallback = bind("fallback", ports.fallback).await?;
        let health = bind("health", ports.health).await?;
        let control = bind("control", ports.control).await?;
        Self::serve([downstream, fallback, health, control], initial)
    }

    /// The same on sockets that listen already, at any address: for the downstream services, the fallback,
    /// the health checks and the controls.
    ///
    /// # Errors
    ///
    /// If one of them does not listen.
    pub fn on(sockets: [std::net::TcpListener; 4]) -> io::Result<Self> {
        let listening = |socket: std::net::TcpListener| {
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket)
        };
        let [downstream, fallback, health, control] = sockets.map(listening);
        Self::serve([downstream?, fallback?, health?, control?], Initial::default())
    }

    fn serve(sockets: [TcpListener; 4], initial: Initial) -> io::Result<Self> {
        let registry = Registry::new(initial);
        let fallback_service = Fallback::new();
        let [downstream, fallback, health, control] = sockets;
        let mut services = Self {
            downstream: downstream.local_addr()?,
            fallback: fallback.local_addr()?,
            health: health.local_addr()?,
            control: control.local_addr()?,
            registry: registry.clone(),
            fallback_service: fallback_service.clone(),
            servers: JoinSet::new(),
        };
        let known = registry.clone();
        services
            .servers
            .spawn(server::serve(downstream, move |request| calls::handle(request, known.clone())));
        let answering = fallback_service.clone();
        services.servers.spawn(server::serve(fallback, move |request| {
            fallback::handle(request, answering.clone())
        }));
        let known = registry.clone();
        services
            .servers
            .spawn(server::serve(health, move |request| health::handle(request, known.clone())));
        services.servers.spawn(server::serve(control, move |request| {
            control::handle(request, registry.clone(), fallback_service.clone())
        }));
        Ok(services)
    }

    /// Closes all listeners and connections, and returns when they are closed.
    pub async fn stop(mut self) {
        self.servers.shutdown().await;
    }

    /// Where the services listen that a breaker protects.
    #[must_use]
    pub const fn downstream(&self) -> SocketAddr {
        self.downstream
    }

    /// Where the fallback service listens.
    #[must_use]
    pub const fn fallback(&self) -> SocketAddr {
        self.fallback
    }

    /// Where health checks are answered.
    #[must_use]
    pub const fn health(&self) -> SocketAddr {
        self.health
    }

    /// Where the program's own controls listen.
    #[must_use]
    pub const fn control(&self) -> SocketAddr {
        self.control
    }

    /// The downstream service of that name, which is made if it is named for the first time.
    #[must_use]
    pub fn service(&self, name: &str) -> Downstream {
        self.registry.service(name)
    }

    /// How many requests the fallback service has received.
    #[must_use]
    pub fn fallback_calls(&self) -> u64 {
        self.fallback_service.calls()
    }

    /// Sets the status that the fallback service answers with, 200 at first. What is no HTTP
    /// status closes the connection instead.
    pub fn set_fallback_status(&self, status: u16) {
        self.fallback_service.set_status(status);
    }
}

async fn bind(listener: &str, port: u16) -> io::Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("the {listener} listener on {address}: {error}"))
    })
}
