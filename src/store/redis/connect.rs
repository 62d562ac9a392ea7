//! Where the server is and how it is reached: alone, behind sentinels, or as a cluster.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Pipeline,
    RedisConnectionInfo, RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
};

use crate::ground::Secret;

/// Until a connection stands, greeting included.
const CONNECT: Duration = Duration::from_secs(2);
/// The longest that any command may take.
const COMMAND: Duration = Duration::from_millis(500);

/// What has to be known to connect.
#[derive(Clone, Debug)]
pub struct Settings {
    pub kind: Kind,
    /// At least one; of sentinels or of the cluster any that are known.
    pub hosts: Vec<(String, u16)>,
    /// `None`: in clear.
    pub tls: Option<Tls>,
    pub login: Login,
    /// Of the sentinels themselves.
    pub sentinel_login: Login,
    /// Number of the database; a cluster has the first one alone.
    pub database: i64,
    /// What all keys begin with; gateways that say the same are one fleet.
    pub fleet: String,
}

/// How servers stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One server, or a name that always leads to the one that writes.
    Alone,
    /// `hosts` are sentinels, which know who the master of this name is.
    Sentinel {
        master: String,
    },
    Cluster,
}

/// Who we are to the server (ACL); neither: nobody is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    pub user: Option<String>,
    pub password: Option<Secret>,
}

/// How the server is checked, and how we show who we are. All in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Authorities to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// Our certificate with its key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// A connection that many may use at once.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Settings {
    /// Connects, or says why not.
    pub(super) async fn connect(&self) -> Result<Connection, String> {
        let connecting = async {
            match &self.kind {
                Kind::Alone => self.alone().await,
                Kind::Sentinel { master } => self.by_sentinel(master).await,
                Kind::Cluster => self.cluster().await,
            }
        };
        match tokio::time::timeout(CONNECT * 2, connecting).await {
            Ok(connected) => connected.map_err(|fault| fault.to_string()),
            Err(_) => Err("nobody answers".to_owned()),
        }
    }

    async fn alone(&self) -> RedisResult<Connection> {
        let info = self.info(self.hosts.first())?;
        let client = match self.certificates() {
            Some(certificates) => Client::build_with_tls(info, certificates)?,
            None => Client::open(info)?,
        };
        Ok(Connection::One(client.get_multiplexed_async_connection_with_config(&config()).await?))
    }

    async fn by_sentinel(&self, master: &str) -> RedisResult<Connection> {
        let sentinels: Vec<ConnectionAddr> = self.hosts.iter().map(|host| self.address(host)).collect();
        let mut builder = SentinelClientBuilder::new(sentinels, master, SentinelServerType::Master)?
            .set_client_to_redis_db(self.database)
            .set_client_to_redis_tcp_settings(tcp())
            .set_client_to_sentinel_tcp_settings(tcp());
        if let Some(certificates) = self.certificates() {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(certificates);
        }
        if let Some(user) = &self.login.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &self.login.password {
            builder = builder.set_client_to_redis_password(password.expose());
        }
        if let Some(user) = &self.sentinel_login.user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &self.sentinel_login.password {
            builder = builder.set_client_to_sentinel_password(password.expose());
        }
        let mut client = builder.build()?;
        Ok(Connection::One(client.get_async_connection_with_config(&config()).await?))
    }

    async fn cluster(&self) -> RedisResult<Connection> {
        let nodes = self.hosts.iter().map(|host| self.info(Some(host))).collect::<RedisResult<Vec<_>>>()?;
        let mut builder = ClusterClientBuilder::new(nodes)
            .connection_timeout(CONNECT)
            .response_timeout(COMMAND)
            .overall_response_timeout(Some(COMMAND))
            .retries(2)
            .max_retry_wait(100)
            .tcp_settings(tcp());
        if let Some(certificates) = self.certificates() {
            builder = builder.tls(TlsMode::Secure).certs(certificates);
        }
        if let Some(user) = &self.login.user {
            builder = builder.username(user);
        }
        if let Some(password) = &self.login.password {
            builder = builder.password(password.expose());
        }
        Ok(Connection::Cluster(builder.build()?.get_async_connection().await?))
    }

    fn info(&self, host: Option<&(String, u16)>) -> RedisResult<ConnectionInfo> {
        let address = self.address(host.unwrap_or(&(String::new(), 0)));
        let mut login = RedisConnectionInfo::default().set_db(self.database);
        if let Some(user) = &self.login.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.login.password {
            login = login.set_password(password.expose());
        }
        Ok(address.into_connection_info()?.set_redis_settings(login).set_tcp_settings(tcp()))
    }

    fn address(&self, (host, port): &(String, u16)) -> ConnectionAddr {
        let (host, port) = (host.clone(), *port);
        match self.tls {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        }
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        let tls = self.tls.as_ref()?;
        let client_tls = tls
            .identity
            .as_ref()
            .map(|(certificate, key)| ClientTlsConfig { client_cert: certificate.clone(), client_key: key.clone() });
        Some(TlsCertificates { client_tls, root_cert: tls.ca.clone() })
    }
}

fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(COMMAND))
}

/// Commands are small and are waited for: none may wait for another to fill a packet. A peer that has gone without a word
/// is noticed.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true).set_user_timeout(Duration::from_secs(5))
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
