/* SPDX-License-Identifier: MIT
 *
 * tlsrecords.c - records of TLS 1.3 with TLS_AES_128_GCM_SHA256, made by hand, as a Lua module:
 * for what no library would send.
 *
 *     local keys = tlsrecords.keys(secret)             -- of a line of 'keylog', 32 bytes
 *     keys:seal(23, "hello" [, padding])               -- the next record of that side
 *     keys:open(record)                                -- type, bytes of its next one; nil: of other keys
 *     keys:update()                                    -- as behind a key update */
#include <lauxlib.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <string.h>

enum { SECRET = 32, KEY = 16, IV = 12, TAG = 16, HEADER = 5, APPLICATION = 23 };

struct keys {
  unsigned char secret[SECRET], key[KEY], iv[IV];
  uint64_t next; /* number of the next record */
};

/* HKDF-Expand-Label of RFC 8446, without a context, of up to 32 bytes. */
static void expand(const unsigned char *secret, const char *label, unsigned char *out, size_t size) {
  unsigned char info[64], whole[SECRET];
  size_t len = strlen(label), n = 0;
  info[n++] = 0;
  info[n++] = (unsigned char)size;
  info[n++] = (unsigned char)(len + 6);
  memcpy(info + n, "tls13 ", 6);
  memcpy(info + n + 6, label, len);
  n += 6 + len;
  info[n++] = 0; /* the context */
  info[n++] = 1; /* the first block */
  HMAC(EVP_sha256(), secret, SECRET, info, n, whole, NULL);
  memcpy(out, whole, size);
}

static void derive(struct keys *k) {
  expand(k->secret, "key", k->key, KEY);
  expand(k->secret, "iv", k->iv, IV);
  k->next = 0;
}

static struct keys *keys_at(lua_State *L) { return luaL_checkudata(L, 1, "tlsrecords"); }

/* One record through the cipher, in place; returns whether its tag is right. */
static int crypt_record(struct keys *k, unsigned char *record, size_t len, int seals) {
  unsigned char nonce[IV];
  int n = 0, ok = 1;
  memcpy(nonce, k->iv, IV);
  for (int i = 0; i < 8; i++)
    nonce[IV - 1 - i] ^= (unsigned char)(k->next >> (8 * i));
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
  EVP_CipherInit_ex(ctx, EVP_aes_128_gcm(), NULL, k->key, nonce, seals);
  EVP_CipherUpdate(ctx, NULL, &n, record, HEADER);
  EVP_CipherUpdate(ctx, record + HEADER, &n, record + HEADER, (int)len);
  if (!seals)
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG, record + HEADER + len);
  ok = EVP_CipherFinal_ex(ctx, record + HEADER + len, &n) == 1;
  if (seals)
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, record + HEADER + len);
  EVP_CIPHER_CTX_free(ctx);
  return ok;
}

static int keys_seal(lua_State *L) {
  struct keys *k = keys_at(L);
  size_t len, padding = (size_t)luaL_optinteger(L, 4, 0);
  const char *bytes = luaL_checklstring(L, 3, &len);
  size_t inner = len + 1 + padding;
  unsigned char *record = lua_newuserdatauv(L, HEADER + inner + TAG, 0);
  memset(record, 0, HEADER + inner + TAG);
  record[0] = APPLICATION;
  record[1] = record[2] = 3;
  record[3] = (unsigned char)((inner + TAG) >> 8);
  record[4] = (unsigned char)(inner + TAG);
  memcpy(record + HEADER, bytes, len);
  record[HEADER + len] = (unsigned char)luaL_checkinteger(L, 2);
  crypt_record(k, record, inner, 1);
  k->next++;
  lua_pushlstring(L, (char *)record, HEADER + inner + TAG);
  return 1;
}

static int keys_open(lua_State *L) {
  struct keys *k = keys_at(L);
  size_t len;
  const char *sealed = luaL_checklstring(L, 2, &len);
  luaL_argcheck(L, len > HEADER + TAG, 2, "too short");
  unsigned char *record = lua_newuserdatauv(L, len, 0);
  memcpy(record, sealed, len);
  len -= HEADER + TAG;
  if (!crypt_record(k, record, len, 0))
    return 0;
  k->next++;
  while (len > 0 && record[HEADER + len - 1] == 0)
    len--;
  lua_pushinteger(L, len > 0 ? record[HEADER + len - 1] : 0);
  lua_pushlstring(L, (char *)record + HEADER, len > 0 ? len - 1 : 0);
  return 2;
}

static int keys_update(lua_State *L) {
  struct keys *k = keys_at(L);
  unsigned char next[SECRET];
  expand(k->secret, "traffic upd", next, SECRET);
  memcpy(k->secret, next, SECRET);
  derive(k);
  return 0;
}

static int tlsrecords_keys(lua_State *L) {
  size_t len;
  const char *secret = luaL_checklstring(L, 1, &len);
  luaL_argcheck(L, len == SECRET, 1, "no secret of that cipher");
  struct keys *k = lua_newuserdatauv(L, sizeof *k, 0);
  memcpy(k->secret, secret, SECRET);
  derive(k);
  luaL_setmetatable(L, "tlsrecords");
  return 1;
}

__attribute__((visibility("default"))) int luaopen_tlsrecords(lua_State *L) {
  static const luaL_Reg functions[] = { { "keys", tlsrecords_keys }, { NULL, NULL } };
  static const luaL_Reg methods[] = {
    { "seal", keys_seal }, { "open", keys_open }, { "update", keys_update }, { NULL, NULL }
  };
  luaL_newmetatable(L, "tlsrecords");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
