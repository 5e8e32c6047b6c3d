//! Certificates: read and checked before the server starts, so that it never goes on without encryption by mistake.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion_postgres::pgwire::tokio::TlsAcceptor;
use datafusion_postgres::pgwire::tokio::tokio_rustls::rustls;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::PostgresError;

/// Files of a certificate and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with those that signed it behind.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// What encrypts connections, and the text of the certificate.
    pub(super) fn acceptor(&self) -> Result<(TlsAcceptor, Vec<u8>), PostgresError> {
        let bad = |file: &Path, problem: String| PostgresError::Tls { file: file.to_owned(), problem };
        let read = |file: &Path| std::fs::read(file).map_err(|error| bad(file, error.to_string()));
        let (certificate_text, key_text) = (read(&self.certificate)?, read(&self.key)?);
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&certificate_text)
            .collect::<Result<_, _>>()
            .map_err(|error| bad(&self.certificate, format!("it is no PEM file: {error}")))?;
        if certificates.is_empty() {
            return Err(bad(&self.certificate, "it has no certificate".into()));
        }
        let key = PrivateKeyDer::from_pem_slice(&key_text)
            .map_err(|error| bad(&self.key, format!("it has no private key: {error}")))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(&self.certificate, error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(|error| bad(&self.certificate, format!("certificate and key do not go together: {error}")))?;
        // Clients that begin with TLS at once ask for this name.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok((TlsAcceptor::from(Arc::new(config)), certificate_text))
    }
}
