# The image uses Node's own runtime: the optional runtime package and the embedded Postgres stay out of it. Name a queue server by BROKER_QUEUE_URL.
ARG NODE_IMAGE=node:26.10.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY guard/package.json guard/
# No package's own script is run: the SQLite binding comes built.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts scripts
COPY guard guard
COPY db db
COPY src src
COPY workers workers
RUN node scripts/build.mjs \
 && find dist guard/dist \( -name '*.map' -o -name '*.d.ts' \) -delete
# The compiled code of a start, for the image's user, who cannot write it.
RUN install -d -o node dist/src/cache \
 && setpriv --reuid=node --regid=node --init-groups node scripts/fill-cache.mjs \
 && chmod -R u=rwX,go=rX dist/src/cache

FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
COPY guard/package.json guard/
# The sources of SQLite, and its bindings for other systems, serve nothing here.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
 && cd node_modules \
 && rm -rf better-sqlite3/deps better-sqlite3/src \
 && find better-sqlite3/prebuilds -type f ! -name "linux-$(node -p process.arch).node" -delete \
 && find . -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' \) -delete

# guard serve, for the host of an application: docker build --target guard (docs/guard-serve.md).
FROM ${NODE_IMAGE} AS guard
LABEL org.opencontainers.image.title="Case Manager guard" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production \
    GUARD_LISTEN=unix:/run/guard/check.sock \
    GUARD_LOCAL_LISTEN=unix:/run/guard/local.sock
WORKDIR /app
COPY --from=packages /app/node_modules/jose node_modules/jose
COPY --from=build /app/guard/package.json /app/guard/LICENSE guard/
COPY --from=build /app/guard/dist guard/dist
RUN install -d -m 0770 -o node -g node /run/guard
USER node
# The proxy and the application share the sockets.
VOLUME /run/guard
HEALTHCHECK --interval=5s --timeout=6s --start-period=60s --retries=3 \
  CMD ["node", "-e", "require('node:http').get({ socketPath: '/run/guard/local.sock', path: '/readyz' }, (r) => process.exit(r.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
ENTRYPOINT ["node", "guard/dist/serve/bin.js"]
CMD ["serve"]

# The last stage, and so what `docker build` makes.
FROM ${NODE_IMAGE} AS broker
LABEL org.opencontainers.image.title="Case Manager Identity Broker" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production \
    BROKER_DATA_DIR=/data \
    BROKER_LISTEN=0.0.0.0:7400 \
    BROKER_OPS_LISTEN=0.0.0.0:7401
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/guard/package.json guard/package.json
COPY --from=build /app/guard/dist guard/dist
COPY --from=build /app/dist dist
COPY db/migrations db/migrations
COPY db/postgres/migrations db/postgres/migrations
COPY languages languages
COPY package.json LICENSE ./
RUN ln -s /app/dist/src/cli.js /usr/local/bin/cmb \
 && install -d -m 0700 -o node -g node /data
USER node
VOLUME /data
EXPOSE 7400 7401
HEALTHCHECK --interval=5s --timeout=6s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7401/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=2", "--initial-old-space-size=48", "--heap-growing-percent=50", "dist/src/cli.js"]
CMD ["serve"]
