// What libpq can do at best: the tenant transaction of reads.sql as one pipeline, in a loop, a thread for each
// connection, with no task, pool, deadline or decoding.
//
//   loop CONNINFO TENANT CONNECTIONS SECONDS      prints transactions per second
#include <libpq-fe.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *conninfo, *tenant;
static double begin_at, end_at;
static pthread_barrier_t prepared;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fail(PGconn *connection, const char *what) {
    fprintf(stderr, "loop: %s: %s\n", what, PQerrorMessage(connection));
    exit(1);
}

static const char *names[] = {"begin", "read", "commit"};
static const char *texts[] = {
    "BEGIN",
    "SELECT id, external_id, number, email, total, currency, status, payload, updated_at"
    "  FROM bench_orders"
    " WHERE tenant_id = $1::uuid AND id = ('00000000-0000-0000-0001-' || lpad($2::text, 12, '0'))::uuid",
    "COMMIT",
};

static void prepare(PGconn *connection) {
    for (int index = 0; index < 3; index++) {
        PGresult *result = PQprepare(connection, names[index], texts[index], 0, NULL);
        if (PQresultStatus(result) != PGRES_COMMAND_OK) fail(connection, "prepare");
        PQclear(result);
    }
    if (!PQenterPipelineMode(connection)) fail(connection, "pipeline");
}

static void transact(PGconn *connection, const char *setting, unsigned number) {
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    const char *values[] = {tenant, text};
    int sent = PQsendQueryPrepared(connection, "begin", 0, NULL, NULL, NULL, 1)
        && PQsendQueryParams(connection, setting, 0, NULL, NULL, NULL, NULL, 1)
        && PQsendQueryPrepared(connection, "read", 2, values, NULL, NULL, 1)
        && PQsendQueryPrepared(connection, "commit", 0, NULL, NULL, NULL, 1) && PQpipelineSync(connection);
    if (!sent) fail(connection, "send");
    for (int index = 0; index < 4; index++) {
        PGresult *result = PQgetResult(connection);
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail(connection, "answer");
        if (index == 2 && PQntuples(result) != 1) fail(connection, "no such order");
        PQclear(result);
        if (PQgetResult(connection)) fail(connection, "more than one answer");
    }
    PGresult *result = PQgetResult(connection);
    if (PQresultStatus(result) != PGRES_PIPELINE_SYNC) fail(connection, "sync");
    PQclear(result);
}

static void *run(void *seed) {
    PGconn *connection = PQconnectdb(conninfo);
    if (PQstatus(connection) != CONNECTION_OK) fail(connection, "connect");
    prepare(connection);
    char setting[80];
    snprintf(setting, sizeof setting, "SET LOCAL app.tenant = '%s'", tenant);
    uint64_t state = (uint64_t)(uintptr_t)seed * 0x9E3779B97F4A7C15u | 1;
    uintptr_t count = 0;
    pthread_barrier_wait(&prepared);
    while (1) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        transact(connection, setting, (unsigned)(state % 10000) + 1);
        double time = now();
        if (time >= end_at) break;
        if (time >= begin_at) count++;
    }
    PQfinish(connection);
    return (void *)count;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: loop CONNINFO TENANT CONNECTIONS SECONDS\n");
        return 2;
    }
    conninfo = argv[1];
    tenant = argv[2];
    int connections = atoi(argv[3]), seconds = atoi(argv[4]);
    if (connections < 1 || connections > 256 || seconds < 1) return 2;
    pthread_t threads[256];
    pthread_barrier_init(&prepared, NULL, (unsigned)connections + 1);
    for (intptr_t index = 0; index < connections; index++)
        if (pthread_create(&threads[index], NULL, run, (void *)(index + 1))) return 1;
    begin_at = now() + 0.5;
    end_at = begin_at + seconds;
    pthread_barrier_wait(&prepared);
    uintptr_t total = 0;
    for (int index = 0; index < connections; index++) {
        void *count;
        pthread_join(threads[index], &count);
        total += (uintptr_t)count;
    }
    printf("%ju\n", (uintmax_t)(total / (uintptr_t)seconds));
    return 0;
}
