// An OpenID provider by npm's oidc-provider: prints a line of JSON with its port, then tells tokens for the asking.
// usage: node server.mjs FOLDER_WITH_NODE_MODULES; a client's secret is its name, its groups are below. Persons of the same
// names sign in on its own page with any password, for the client "page".
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import { pathToFileURL } from "node:url";

// Standard output is for our line alone.
console.info = console.warn = console.error;

const { Provider } = await import(pathToFileURL(`${process.argv[2]}/node_modules/oidc-provider/lib/index.js`).href);
const GROUPS = { amina: ["staff", "payments-shift"], vera: ["payments-leads"], guest: ["staff"] };
const ALGORITHMS = { "urn:nightsafe:rs": "RS256", "urn:nightsafe:ps": "PS256", "urn:nightsafe:es": "ES256" };

const published = (kind, options, extra) => ({
  ...generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" }),
  use: "sig",
  ...extra,
});

const server = createServer().listen(0, "127.0.0.1", () => {
  const provider = new Provider(`http://localhost:${server.address().port}`, {
    jwks: {
      keys: [
        published("rsa", { modulusLength: 2048 }, { kid: "rsa-1" }),
        published("ec", { namedCurve: "P-256" }, { kid: "ec-1" }),
      ],
    },
    clients: [
      ...Object.keys(GROUPS).map((name) => ({
        client_id: name,
        client_secret: name,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      })),
      {
        client_id: "page",
        client_secret: "page",
        // So that its page may be on any port of this machine.
        application_type: "native",
        grant_types: ["authorization_code"],
        redirect_uris: ["http://127.0.0.1/page/signed-in/staff"],
        response_types: ["code"],
      },
    ],
    claims: { openid: ["sub", "groups"] },
    conformIdTokenClaims: false,
    findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, groups: GROUPS[id] }) }),
    extraTokenClaims: async (ctx, token) => ({ groups: GROUPS[token.clientId] }),
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: async (ctx, resource) => ({
          scope: "",
          audience: resource in ALGORITHMS ? "nightsafe" : "another-service",
          accessTokenTTL: 3600,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: ALGORITHMS[resource] ?? "RS256" } },
        }),
      },
    },
  });
  server.on("request", provider.callback());
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
});
