/* model/realm.h: what was read of a Keycloak realm, as dense arrays.
 *
 * Why:    the middle of the program is pure; this is one of its inputs. keycloak/ fills it, run.c owns it,
 * nobody copies it. Owns:   struct kb_realm owns everything below it; kb_realm_done frees. Rows refer to each
 * other by index, texts are in `pool`. Source: keycloak-api.md sections 2 and 3.
 */
#ifndef KB_MODEL_REALM_H
#define KB_MODEL_REALM_H

#include "model/pool.h"
#include "model/read.h"

enum kb_user_flag {
    KB_USER_ENABLED = 1 << 0, /* as shown */
    KB_USER_EMAIL_VERIFIED = 1 << 1,
    KB_USER_SERVICE_ACCOUNT = 1 << 2, /* user name starts with "service-account-" */
    KB_USER_DISABLED_STORED =
        1 << 3, /* in the list of the stored column (GET /users?enabled=false) or GET /users/{id} says so */
    KB_USER_LOCKED_OUT = 1 << 4, /* attribute disabledReason: a lockout is not a decision */
    KB_USER_GONE = 1 << 5,       /* looked up by id: Keycloak's own 404 */
    KB_USER_LOOKED_UP = 1 << 6,  /* GET /users/{id} answered in this run: detail fields are set */
    KB_USER_DISABLED_BELIEVED =
        1 << 7,                  /* shown disabled by a directory that is up, for long enough: as good as
                                           stored */
    KB_USER_NAME_ASKED = 1 << 8, /* whoever has this user's name as e-mail address is in the realm, too */
};

struct kb_user {
    kb_text id;        /* UUID, or f:component:external */
    kb_text username;  /* lower case for local users */
    kb_text email;     /* 0: none or hidden */
    kb_text directory; /* federationLink or the component of an f: id; 0: local */
    kb_text attribute; /* value of match.users "attribute:NAME" (people) or of the service principal
                          attribute; 0: none */
    uint16_t flags;
};

struct kb_role {
    kb_text id;
    kb_text name;
    kb_text client;    /* clientId of a client role, 0 for a realm role (or unknown: see container) */
    kb_text container; /* containerId: the client's uuid for a client role */
    bool client_role;
    bool composite;
    bool wanted;             /* scope: the direct holders must be read */
    struct kb_u32s children; /* role indices, one level */
    struct kb_u32s holders;  /* user indices, direct */
    struct kb_u32s groups;   /* client roles only: group indices with the role mapped directly */
    struct kb_read children_read, holders_read, groups_read;
};

struct kb_realm_group {
    kb_text id;
    kb_text name;
    kb_text path;           /* as the server writes it; ambiguous when a name holds '/' */
    uint32_t parent;        /* group index, KB_NONE at top level */
    bool wanted;            /* scope: the direct members must be read */
    struct kb_u32s roles;   /* role indices mapped directly */
    struct kb_u32s members; /* user indices, direct */
    struct kb_read members_read;
};

/* A user directory behind the realm, and what its witness said: an answer that only a directory that is up can
 * give, before and after the readings (interface.md section 3 "Directories"; keycloak-verified.md section 8).
 */
enum kb_directory_status {
    KB_DIRECTORY_UNWITNESSED, /* nobody of it could be asked before and after */
    KB_DIRECTORY_UP,
    KB_DIRECTORY_DOWN, /* for the rest of the run */
};

struct kb_directory {
    kb_text id;     /* of the component */
    kb_text name;   /* 0: unknown */
    kb_text note;   /* why it is not up; 0: nothing known */
    uint8_t status; /* enum kb_directory_status */
    bool listed;    /* among the components of the realm */
};

/* Somebody whom only the directory shows disabled. */
struct kb_directory_disabled {
    uint32_t user;
    int64_t since_s; /* Unix seconds of the first complete reading that showed it */
};

struct kb_realm {
    struct kb_pool pool;
    kb_text issuer; /* base URL + /realms/NAME */
    kb_text name;

    struct kb_user *users;
    struct kb_role *roles;
    struct kb_realm_group *groups;
    uint32_t users_len, roles_len, groups_len;
    size_t users_cap, roles_cap, groups_cap;
    struct kb_index user_by_id, role_by_id, group_by_id;
    struct kb_index realm_role_by_name; /* realm roles only */

    struct kb_read roles_read;    /* GET /roles */
    struct kb_read groups_read;   /* flat group list, against /groups/count */
    struct kb_read clients_read;  /* client roles, only when a rule needs them */
    struct kb_read disabled_read; /* GET /users?enabled=false */
    struct kb_directory *directories;
    uint32_t directories_len;
    size_t directories_cap;
    struct kb_read directories_read;                  /* GET /components */
    struct kb_directory_disabled *directory_disabled; /* one target's memory, set before it is planned */
    uint32_t directory_disabled_len;
    size_t directory_disabled_cap;

    bool organizations_asked, organizations; /* the realm has organizations, whose groups no list shows */
    bool client_composites_unread; /* view-clients is missing: grants through client roles are invisible in
                                      lists */
};

void kb_realm_done(struct kb_realm *realm); /* a zeroed struct is empty and valid */

/* Find by key; KB_NONE if absent. */
uint32_t kb_realm_user(const struct kb_realm *realm, const char *id);
uint32_t kb_realm_role(const struct kb_realm *realm, const char *id);
uint32_t kb_realm_role_named(const struct kb_realm *realm, const char *name); /* realm role */
uint32_t kb_realm_group(const struct kb_realm *realm, const char *id);

/* Find or add (the new row has id set, everything else zero or KB_NONE, flags 0). KB_NONE: out of memory. */
uint32_t kb_realm_user_add(struct kb_realm *realm, const char *id);
uint32_t kb_realm_role_add(struct kb_realm *realm, const char *id);
uint32_t kb_realm_group_add(struct kb_realm *realm, const char *id);
uint32_t kb_realm_directory_add(struct kb_realm *realm, const char *id);
bool kb_realm_role_set_name(struct kb_realm *realm, uint32_t role, const char *name,
                            bool client_role); /* keeps realm_role_by_name */

uint32_t kb_realm_directory(const struct kb_realm *realm, const char *id);
/* What speaks against people of this directory may be believed. */
bool kb_realm_directory_up(const struct kb_realm *realm, const char *id);
/* The realm has no such directory any more, as its complete list says. */
bool kb_realm_directory_removed(const struct kb_realm *realm, const char *id);
/* As people call it; the id when nothing else is known. */
const char *kb_realm_directory_name(const struct kb_realm *realm, const char *id);
/* Name of a directory of the realm that is not up, so that nobody's absence is certain; NULL: none. */
const char *kb_realm_directory_doubt(const struct kb_realm *realm);
/* Since when only the directory shows this user disabled; `now_s` when this is the first time. */
int64_t kb_realm_directory_disabled_since(const struct kb_realm *realm, uint32_t user, int64_t now_s);

static inline const char *
kb_realm_str(const struct kb_realm *realm, kb_text text)
{
    return kb_pool_str(&realm->pool, text);
}

#endif
