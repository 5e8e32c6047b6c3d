//! Who may come in: SCRAM-SHA-256 with one user, or anyone on the machine itself. `pgwire` does the exchange; ours is that
//! nobody learns which users exist, and that who is refused is told so for good.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion_postgres::pgwire::api::auth::sasl::SASLAuthStartupHandler;
use datafusion_postgres::pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramAuth, gen_salted_password};
use datafusion_postgres::pgwire::api::auth::{
    AuthSource, DefaultServerParameterProvider, LoginInfo, Password, StartupHandler, finish_authentication,
    protocol_negotiation, save_startup_parameters_to_metadata,
};
use datafusion_postgres::pgwire::api::{ClientInfo, PidSecretKeyGenerator, RandomPidSecretKeyGenerator};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use futures::Sink;
use paygrain_query::PostgresClient;
use sha2::{Digest, Sha256};

use super::failure::{Failure, code};

/// The user that may connect.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What is kept of the credentials: the salted password, and a secret from which salts are made, for users that do not
/// exist too, so that nobody learns which do.
pub(super) struct Login {
    user: String,
    salted: Vec<u8>,
    secret: [u8; 32],
    nobody: [u8; 32],
}

impl Debug for Login {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Login {
    pub(super) fn of(credentials: &Credentials) -> Self {
        let random = || -> [u8; 32] {
            let (first, second) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
            Sha256::new().chain_update(first.as_bytes()).chain_update(second.as_bytes()).finalize().into()
        };
        let (secret, nobody) = (random(), random());
        let salted = gen_salted_password(&credentials.password, &salt(&secret, &credentials.user), SCRAM_ITERATIONS);
        Self { user: credentials.user.clone(), salted, secret, nobody }
    }
}

fn salt(secret: &[u8], user: &str) -> Vec<u8> {
    Sha256::new().chain_update(secret).chain_update(user).finalize()[..16].to_vec()
}

#[async_trait]
impl AuthSource for Login {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        let Some(user) = login.user() else { return Err(no_user()) };
        let salted = if user == self.user { self.salted.clone() } else { self.nobody.to_vec() };
        Ok(Password::new(Some(salt(&self.secret, user)), salted))
    }
}

fn no_user() -> PgWireError {
    Failure::new(code::NO_USER, "no user name was given").fatal()
}

/// What clients are told of the server when they have connected.
fn server_parameters() -> DefaultServerParameterProvider {
    let mut told = DefaultServerParameterProvider::default();
    told.server_version = PostgresClient::SERVER_VERSION.to_owned();
    told.is_superuser = false;
    told.default_transaction_read_only = true;
    told.time_zone = "UTC".to_owned();
    told.date_style = "ISO, MDY".to_owned();
    told
}

/// The beginning of one connection.
pub(super) enum Door {
    /// A password is asked for.
    Guarded(Box<SASLAuthStartupHandler<DefaultServerParameterProvider>>),
    /// Everyone who reaches the address may come in.
    Open(Arc<RandomPidSecretKeyGenerator>),
}

impl Door {
    pub(super) fn of(
        login: Option<&Arc<Login>>,
        certificate: Option<&[u8]>,
        keys: &Arc<RandomPidSecretKeyGenerator>,
    ) -> Self {
        let Some(login) = login else { return Self::Open(keys.clone()) };
        let mut scram = ScramAuth::new(login.clone());
        if let Some(certificate) = certificate {
            // Some kinds of certificates have no channel binding; the password is as safe without.
            let _ = scram.configure_certificate(certificate);
        }
        let handler = SASLAuthStartupHandler::new(Arc::new(server_parameters()));
        Self::Guarded(Box::new(handler.with_scram(scram).with_pid_secret_key_generator(keys.clone())))
    }
}

#[async_trait]
impl StartupHandler for Door {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if let PgWireFrontendMessage::Startup(startup) = &message {
            if startup.parameters.get("user").is_none_or(String::is_empty) {
                return Err(no_user());
            }
            if startup.parameters.contains_key("replication") {
                return Err(Failure::new(code::FEATURE_NOT_SUPPORTED, "there is no replication").fatal());
            }
        }
        match self {
            Self::Guarded(handler) => handler.on_startup(client, message).await,
            Self::Open(keys) => {
                let PgWireFrontendMessage::Startup(startup) = &message else { return Ok(()) };
                protocol_negotiation(client, startup).await?;
                save_startup_parameters_to_metadata(client, startup);
                let (pid, key) = keys.generate(client);
                client.set_pid_and_secret_key(pid, key);
                finish_authentication(client, &server_parameters()).await
            }
        }
    }
}
