/*
 * A stand-in for NVIDIA's management library: of its functions those that the origin calls, with the types of nvml.h.
 *
 * DIRECTORY/script has lines `name value`, and is read at each call, so a test can change what is answered. Names are those
 * of figures (total, free, used, own, others, utilization, temperature, power), count and uuid.N of devices, and
 * `fail.FUNCTION CODE` (or fail.all) and `hang.FUNCTION 1`. DIRECTORY/calls gets a line for each call.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long long bytes;
typedef struct { unsigned gpu, memory; } utilization;
typedef struct { unsigned version; bytes total, reserved, free, used; } memory;
typedef struct { unsigned pid; bytes used; unsigned gpu_instance, compute_instance; } process;

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };

static void note(const char *what) {
    int file = open(DIRECTORY "/calls", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0) return;
    char line[128];
    int length = snprintf(line, sizeof line, "%s\n", what);
    if (write(file, line, (size_t)length) < 0) perror("calls");
    close(file);
}

/* Copies what the script has under a name; 0 if it has nothing. */
static int said(const char *name, char *value, size_t size) {
    FILE *script = fopen(DIRECTORY "/script", "r");
    if (!script) return 0;
    char line[256];
    size_t length = strlen(name);
    int found = 0;
    while (!found && fgets(line, sizeof line, script)) {
        if (strncmp(line, name, length) || line[length] != ' ') continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(value, size, "%s", line + length + 1);
        found = 1;
    }
    fclose(script);
    return found;
}

static bytes number(const char *name) {
    char value[64];
    return said(name, value, sizeof value) ? strtoull(value, NULL, 10) : 0;
}

/* Notes a call, hangs for as long as the script says so, and fails as it says. */
static int enter(const char *function) {
    char name[128], value[64];
    note(function);
    snprintf(name, sizeof name, "hang.%s", function);
    while (said(name, value, sizeof value)) usleep(2000);
    snprintf(name, sizeof name, "fail.%s", function);
    if (said(name, value, sizeof value) || said("fail.all", value, sizeof value)) return atoi(value);
    return SUCCESS;
}

#define ENTER(function) do { int code = enter(function); if (code) return code; } while (0)

__attribute__((constructor)) static void loaded(void) { note("loaded"); }
__attribute__((destructor)) static void unloaded(void) { note("unloaded"); }

static int uuid_of(unsigned index, char *value, size_t size) {
    char name[32];
    snprintf(name, sizeof name, "uuid.%u", index);
    return said(name, value, size);
}

static void *device(unsigned index) { return (void *)(size_t)(index + 1); }
static unsigned index_of(void *device) { return (unsigned)(size_t)device - 1; }

int nvmlInit_v2(void) { ENTER("nvmlInit_v2"); return SUCCESS; }
int nvmlShutdown(void) { ENTER("nvmlShutdown"); return SUCCESS; }

int nvmlSystemGetDriverVersion(char *version, unsigned size) {
    ENTER("nvmlSystemGetDriverVersion");
    snprintf(version, size, "580.65.06");
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    ENTER("nvmlDeviceGetCount_v2");
    *count = (unsigned)number("count");
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **found) {
    ENTER("nvmlDeviceGetHandleByIndex_v2");
    if (index >= number("count")) return INVALID_ARGUMENT;
    *found = device(index);
    return SUCCESS;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **found) {
    ENTER("nvmlDeviceGetHandleByUUID");
    char own[96];
    for (unsigned index = 0; index < number("count"); index++) {
        if (!uuid_of(index, own, sizeof own) || strcmp(own, uuid)) continue;
        *found = device(index);
        return SUCCESS;
    }
    return NOT_FOUND;
}

int nvmlDeviceGetUUID(void *device, char *uuid, unsigned size) {
    ENTER("nvmlDeviceGetUUID");
    return uuid_of(index_of(device), uuid, size) ? SUCCESS : NOT_FOUND;
}

int nvmlDeviceGetIndex(void *device, unsigned *index) {
    ENTER("nvmlDeviceGetIndex");
    *index = index_of(device);
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *device, utilization *rates) {
    ENTER("nvmlDeviceGetUtilizationRates");
    *rates = (utilization){(unsigned)number("utilization"), 0};
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(void *device, memory *info) {
    ENTER("nvmlDeviceGetMemoryInfo_v2");
    if (info->version != (sizeof *info | 2u << 24)) return INVALID_ARGUMENT;
    info->total = number("total");
    info->free = number("free");
    info->used = number("used");
    return SUCCESS;
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius) {
    ENTER("nvmlDeviceGetTemperature");
    *celsius = (unsigned)number("temperature");
    return sensor == 0 ? SUCCESS : INVALID_ARGUMENT;
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) {
    ENTER("nvmlDeviceGetPowerUsage");
    *milliwatts = (unsigned)number("power");
    return SUCCESS;
}

/* This process, if the script says what it has, and one of others. */
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, process *processes) {
    ENTER("nvmlDeviceGetComputeRunningProcesses_v3");
    char value[64];
    process all[2];
    unsigned there = 0;
    if (said("own", value, sizeof value)) all[there++] = (process){(unsigned)getpid(), strtoull(value, NULL, 10), 0, 0};
    if (said("others", value, sizeof value)) all[there++] = (process){1, strtoull(value, NULL, 10), 0, 0};
    unsigned room = *count;
    *count = there;
    if (room < there) return INSUFFICIENT_SIZE;
    for (unsigned one = 0; one < there; one++) processes[one] = all[one];
    return SUCCESS;
}
