/* SPDX-License-Identifier: MIT
 *
 * verify.c - is the peer's chain of certificates a good one?
 *
 * libssl stops at the first fault of a chain, and Node goes on to the last: of a chain
 * without a known root libssl says UNABLE_TO_GET_ISSUER_CERT_LOCALLY, and Node
 * UNABLE_TO_VERIFY_LEAF_SIGNATURE, which programs look for. So the whole chain is looked
 * at here, each fault is noted and passed over, and the last one is the verdict. */
#include "tls/context/verify.h"

#include <openssl/x509_vfy.h>

#include "tls/base/error.h"

/* libssl's, of each fault, and of each certificate that is good: note it and go on. */
static int on_fault(int ok, X509_STORE_CTX *chain) {
  int *fault = X509_STORE_CTX_get_app_data(chain);
  if (!ok)
    *fault = X509_STORE_CTX_get_error(chain);
  return 1;
}

/* Whether a bad verdict ends the handshake. A client that does not reject has
 * SSL_VERIFY_NONE, and libssl does not ask; a server that only requests has
 * SSL_VERIFY_PEER, without the other flag. */
static int rejects(const SSL *ssl) {
  int mode = SSL_get_verify_mode(ssl);
  if (!SSL_is_server(ssl))
    return mode != SSL_VERIFY_NONE;
  return (mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) != 0;
}

/* Instead of libssl's judgement: X509_verify_cert, to the end. What is in the chain as its
 * error is what SSL_get_verify_result tells, and, of who rejects, what the alert is
 * about. */
static int on_chain(X509_STORE_CTX *chain, void *arg) {
  const SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
  int fault = X509_V_OK; /* until one is found */
  (void)arg;
  if (!X509_STORE_CTX_set_app_data(chain, &fault))
    return 0;
  X509_STORE_CTX_set_verify_cb(chain, on_fault);
  if (X509_verify_cert(chain) <= 0 && X509_STORE_CTX_get_error(chain) == X509_V_OK)
    fault = X509_V_ERR_UNSPECIFIED;
  X509_STORE_CTX_set_app_data(chain, NULL);
  if (X509_STORE_CTX_get_error(chain) == X509_V_OK)
    X509_STORE_CTX_set_error(chain, fault);
  return X509_STORE_CTX_get_error(chain) == X509_V_OK || (ssl && !rejects(ssl));
}

void net_tls_verify_install(SSL_CTX *ctx) { SSL_CTX_set_cert_verify_callback(ctx, on_chain, NULL); }

void net_tls_verify_set(SSL *ssl, int flags) {
  int mode = SSL_VERIFY_NONE;
  if (flags & NET_TLS_VERIFY_SERVER) {
    if (flags & NET_TLS_VERIFY_REQUEST)
      mode = SSL_VERIFY_PEER;
    if (mode != SSL_VERIFY_NONE && (flags & NET_TLS_VERIFY_REJECT))
      mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  } else if (flags & NET_TLS_VERIFY_REJECT) {
    mode = SSL_VERIFY_PEER;
  }
  SSL_set_verify(ssl, mode, NULL);
}

/* --- codes and texts ------------------------------------------------------------------- */

#define VERDICT(name)                                                                              \
  { X509_V_ERR_##name, #name }

/* Those that Node has a code for. */
static const struct {
  int verdict;
  const char *code;
} codes[] = { VERDICT(UNABLE_TO_GET_ISSUER_CERT),
              VERDICT(UNABLE_TO_GET_CRL),
              VERDICT(UNABLE_TO_DECRYPT_CERT_SIGNATURE),
              VERDICT(UNABLE_TO_DECRYPT_CRL_SIGNATURE),
              VERDICT(UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY),
              VERDICT(CERT_SIGNATURE_FAILURE),
              VERDICT(CRL_SIGNATURE_FAILURE),
              VERDICT(CERT_NOT_YET_VALID),
              VERDICT(CERT_HAS_EXPIRED),
              VERDICT(CRL_NOT_YET_VALID),
              VERDICT(CRL_HAS_EXPIRED),
              VERDICT(ERROR_IN_CERT_NOT_BEFORE_FIELD),
              VERDICT(ERROR_IN_CERT_NOT_AFTER_FIELD),
              VERDICT(ERROR_IN_CRL_LAST_UPDATE_FIELD),
              VERDICT(ERROR_IN_CRL_NEXT_UPDATE_FIELD),
              VERDICT(OUT_OF_MEM),
              VERDICT(DEPTH_ZERO_SELF_SIGNED_CERT),
              VERDICT(SELF_SIGNED_CERT_IN_CHAIN),
              VERDICT(UNABLE_TO_GET_ISSUER_CERT_LOCALLY),
              VERDICT(UNABLE_TO_VERIFY_LEAF_SIGNATURE),
              VERDICT(CERT_CHAIN_TOO_LONG),
              VERDICT(CERT_REVOKED),
              VERDICT(INVALID_CA),
              VERDICT(PATH_LENGTH_EXCEEDED),
              VERDICT(INVALID_PURPOSE),
              VERDICT(CERT_UNTRUSTED),
              VERDICT(CERT_REJECTED),
              VERDICT(HOSTNAME_MISMATCH) };

const char *net_tls_verify_code(long verdict) {
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (codes[i].verdict == verdict)
      return codes[i].code;
  return "UNSPECIFIED";
}

/* Where OpenSSL 1.1.1 has another text than 3. */
static const char *text_of(long verdict) {
  switch (verdict) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return "self-signed certificate";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "self-signed certificate in certificate chain";
    case X509_V_ERR_INVALID_PURPOSE: return "unsuitable certificate purpose";
    default: return X509_verify_cert_error_string(verdict);
  }
}

void net_tls_verify_push(lua_State *L, long verdict) {
  net_tls_push_plain(L, text_of(verdict), net_tls_verify_code(verdict));
}
