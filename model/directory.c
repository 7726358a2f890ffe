/* The directories of a realm: few, so they are looked for one by one. */
#include "base/ban.h"

#include "model/realm.h"

#include "base/mem.h"

#define DIRECTORIES_MAX 1024

uint32_t
kb_realm_directory(const struct kb_realm *realm, const char *id)
{
    for (uint32_t i = 0; *id && i < realm->directories_len; i++)
        if (!strcmp(kb_realm_str(realm, realm->directories[i].id), id))
            return i;
    return KB_NONE;
}

uint32_t
kb_realm_directory_add(struct kb_realm *realm, const char *id)
{
    uint32_t row = kb_realm_directory(realm, id);
    kb_text text;

    if (row != KB_NONE)
        return row;
    row = realm->directories_len;
    text = kb_pool_adds(&realm->pool, id);
    if (text == KB_NONE || !kb_grow(&realm->directories, &realm->directories_cap, (size_t) row + 1,
                                    sizeof(*realm->directories), DIRECTORIES_MAX))
        return KB_NONE;
    realm->directories[row] = (struct kb_directory){.id = text};
    realm->directories_len++;
    return row;
}

bool
kb_realm_directory_up(const struct kb_realm *realm, const char *id)
{
    uint32_t row = kb_realm_directory(realm, id);

    return row != KB_NONE && realm->directories[row].status == KB_DIRECTORY_UP;
}

bool
kb_realm_directory_removed(const struct kb_realm *realm, const char *id)
{
    uint32_t row = kb_realm_directory(realm, id);

    return kb_read_ok(&realm->directories_read) && (row == KB_NONE || !realm->directories[row].listed);
}

const char *
kb_realm_directory_name(const struct kb_realm *realm, const char *id)
{
    uint32_t row = kb_realm_directory(realm, id);

    return row == KB_NONE || !realm->directories[row].name
               ? id
               : kb_realm_str(realm, realm->directories[row].name);
}

const char *
kb_realm_directory_doubt(const struct kb_realm *realm)
{
    for (uint32_t i = 0; i < realm->directories_len; i++) {
        const struct kb_directory *d = &realm->directories[i];
        const char *id = kb_realm_str(realm, d->id);
        if (d->status != KB_DIRECTORY_UP && !kb_realm_directory_removed(realm, id))
            return kb_realm_directory_name(realm, id);
    }
    /* Not even asked for: nobody reads a realm without this list. */
    if (realm->directories_read.status != KB_READ_NOT_ASKED && !kb_read_ok(&realm->directories_read))
        return "(the list of directories could not be read)";
    return NULL;
}

int64_t
kb_realm_directory_disabled_since(const struct kb_realm *realm, uint32_t user, int64_t now_s)
{
    for (uint32_t i = 0; i < realm->directory_disabled_len; i++)
        if (realm->directory_disabled[i].user == user)
            return realm->directory_disabled[i].since_s;
    return now_s;
}
