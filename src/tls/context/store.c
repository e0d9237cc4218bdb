/* SPDX-License-Identifier: MIT
 *
 * store.c - the system's certificates of authorities.
 *
 * The system's, and no list of our own as Node has: one would age with nobody to renew it,
 * companies keep their own authorities with the system's, and curl, Python and nginx go by
 * it too. X509_STORE_set_default_paths would do it with one call; but it says "ok" to
 * places where nothing is, and reads a folder's files amid a handshake. Here all is read
 * at once, some 150 certificates in 30 ms, and counted. */
#include "tls/context/store.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef ERR_RFLAG_COMMON
enum { COMMON = ERR_RFLAG_COMMON }; /* of a reason that every library of OpenSSL may give */
#else
enum { COMMON = 0 };
#endif

static int store_add(X509_STORE *store, X509 *certificate, SSL_CTX *names) {
  if (names && !SSL_CTX_add_client_CA(names, certificate))
    return 0;
  return X509_STORE_add_cert(store, certificate);
}

/* libssl would ask the terminal for the passphrase of a file that is encrypted. */
static int no_passphrase(char *buf, int size, int writing, void *arg) {
  (void)buf, (void)size, (void)writing, (void)arg;
  return 0;
}

int net_tls_store_read(X509_STORE *store, BIO *bio, SSL_CTX *names) {
  X509 *certificate;
  int count = 0;
  while ((certificate = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL)) != NULL) {
    int ok = store_add(store, certificate, names);
    X509_free(certificate);
    if (!ok)
      return -1;
    count++;
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    return -1;
  ERR_clear_error();
  return count;
}

/* Does an error, the first of the queue, tell only that something inside failed, and not what is
 * wrong with the text? Where OpenSSL copies a number or compares names it does not say that there
 * was no memory, and nothing else can fail there. */
static int tells_no_cause(unsigned long err) {
  enum { LIBRARIES = 64 }; /* ERR_R_BUF_LIB, ERR_R_ASN1_LIB and so on are below */
  unsigned long reason = (unsigned long)ERR_GET_REASON(err);
  return reason == ERR_R_NESTED_ASN1_ERROR || (reason & ~COMMON) < LIBRARIES;
}

/* Where PEM_read_bio_ex has no room for a line it says nothing. */
int net_tls_store_lacks_memory(int count) {
  unsigned long err = ERR_peek_error();
  int lacks = count < 0 && (err == 0 || tells_no_cause(err));
  while ((err = ERR_get_error()) != 0)
    lacks |= ERR_GET_REASON(err) == ERR_R_MALLOC_FAILURE;
  return lacks;
}

/* Is it for a while that a file cannot be opened? */
static int passes(int err) { return err == EMFILE || err == ENFILE; }

/* The certificates of a file, as far as they are some; what cannot be read has none. Returns
 * 0 if there is no memory or no descriptor, like those below: not all would be found missing for
 * good. The second has an entry in libssl's queue. */
static int read_file(X509_STORE *store, const char *path) {
  errno = 0;
  BIO *bio = BIO_new_file(path, "r");
  if (bio == NULL && passes(errno))
    return 0;
  int count = bio ? net_tls_store_read(store, bio, NULL) : 0;
  BIO_free(bio);
  return !net_tls_store_lacks_memory(count);
}

/* "5ad8a5d6.0", as `openssl rehash` names the files, or links, that libssl looks at. */
static int is_hash_name(const char *name) {
  enum { HASH = 8 };
  size_t hash = strspn(name, "0123456789abcdef");
  if (hash != HASH || name[HASH] != '.')
    return 0;
  const char *number = name + HASH + 1;
  return *number != '\0' && number[strspn(number, "0123456789")] == '\0';
}

static int read_folder(X509_STORE *store, const char *folder) {
  enum { PATH_SIZE = 4096 };
  char path[PATH_SIZE];
  DIR *dir = opendir(folder);
  const struct dirent *entry;
  int ok = 1, err = errno;
  if (dir == NULL && !passes(err))
    return 1;
  if (dir == NULL) {
    ERR_put_error(ERR_LIB_SYS, 0, err, __FILE__, __LINE__);
    return 0;
  }
  while (ok && (entry = readdir(dir)) != NULL)
    if (is_hash_name(entry->d_name) &&
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path)
      ok = read_file(store, path);
  (void)closedir(dir);
  return ok;
}

/* "/etc/ssl/certs:/usr/share/certs" */
static int read_folders(X509_STORE *store, const char *list) {
  char *copy = OPENSSL_strdup(list), *rest = copy, *folder;
  int ok = copy != NULL;
  while (ok && (folder = strtok_r(rest, ":", &rest)) != NULL)
    ok = read_folder(store, folder);
  OPENSSL_free(copy);
  return ok;
}

/* NULL in a program that has more rights than who started it, as libssl has it. */
static const char *environment(const char *name) {
#ifdef __GLIBC__
  const char *value = secure_getenv(name);
#else
  const char *value = getenv(name);
#endif
  return value && *value ? value : NULL;
}

static int is_empty(X509_STORE *store) {
  return sk_X509_OBJECT_num(X509_STORE_get0_objects(store)) <= 0;
}

/* Where systems have them: Debian; Fedora; openSUSE; RHEL; Alpine and the BSDs. */
static const char *const files[] = { "/etc/ssl/certs/ca-certificates.crt",
                                     "/etc/pki/tls/certs/ca-bundle.crt",
                                     "/etc/ssl/ca-bundle.pem",
                                     "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                                     "/etc/ssl/cert.pem",
                                     NULL };

static int read_system(X509_STORE *store) {
  const char *file = environment(X509_get_default_cert_file_env());
  const char *folders = environment(X509_get_default_cert_dir_env());
  int is_told = file || folders;
  if (!is_told) {
    file = X509_get_default_cert_file();
    folders = X509_get_default_cert_dir();
  }
  int ok =
    (file == NULL || read_file(store, file)) && (folders == NULL || read_folders(store, folders));
  for (const char *const *at = files; ok && !is_told && *at && is_empty(store); at++)
    ok = read_file(store, *at);
  return ok;
}

X509_STORE *net_tls_store_system(void) {
  X509_STORE *store = X509_STORE_new();
  ERR_clear_error();
  if (store && read_system(store))
    return store;
  X509_STORE_free(store);
  if (ERR_peek_error() == 0)
    ERR_put_error(ERR_LIB_X509, 0, ERR_R_MALLOC_FAILURE, __FILE__, __LINE__);
  return NULL;
}

X509_STORE *net_tls_store_copy(X509_STORE *from) {
  STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(from);
  X509_STORE *store = X509_STORE_new();
  int ok = store != NULL;
  for (int i = 0; ok && i < sk_X509_OBJECT_num(objects); i++) {
    X509_OBJECT *object = sk_X509_OBJECT_value(objects, i);
    if (X509_OBJECT_get0_X509(object))
      ok = X509_STORE_add_cert(store, X509_OBJECT_get0_X509(object));
    else if (X509_OBJECT_get0_X509_CRL(object))
      ok = X509_STORE_add_crl(store, X509_OBJECT_get0_X509_CRL(object));
  }
  if (ok)
    return store;
  X509_STORE_free(store);
  return NULL;
}
