// The identity provider of the tests. Arguments: port, redirect address, JSON of people by login name (the claims
// of each). Its login page asks for the login name only; everything else is oidc-provider as it comes.
import Provider from 'oidc-provider'

const [port, redirectUri, people] = [Number(process.argv[2]), process.argv[3], JSON.parse(process.argv[4])]

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'samsyn',
    client_secret: 'secret of the tests',
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: 'client_secret_basic',
    require_auth_time: true
  }],
  pkce: { required: () => true },
  acrValues: ['urn:loa3'],
  claims: { openid: ['sub', 'acr'], profile: ['employeeHsaId', 'commissionHsaId'] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => id in people && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  loadExistingGrant: async ({ oidc }) => {
    const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId })
    grant.addOIDCScope('openid profile')
    await grant.save()
    return grant
  },
  features: { devInteractions: { enabled: false } },
  cookies: { keys: ['cookies of the tests'] },
  ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600, AuthorizationCode: 60 }
})

provider.use(async (ctx, next) => {
  // Every request is written down, so that a test can see what the other side asked.
  console.log(JSON.stringify({ method: ctx.method, url: ctx.originalUrl }))
  const [, interaction, login] = ctx.path.match(/^\/interaction\/([\w-]+)(?:\/(\w+))?$/) ?? []
  if (!interaction) return next()
  if (!login) {
    ctx.body = `<form action="/interaction/${interaction}/maria"><button id="login">Log in</button></form>`
    return
  }
  ctx.respond = false
  await provider.interactionFinished(ctx.req, ctx.res, login === 'cancel'
    ? { error: 'access_denied' }
    : { login: { accountId: login, acr: 'urn:loa3' } })
})
provider.listen(port, '127.0.0.1', () => console.log('listening'))
