using System.Net.Http.Headers;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.Extensions.Options;

// An instance with ASP.NET Core. What is specific to the broker is in the other files.

var builder = WebApplication.CreateBuilder(args);
string Setting(string name) => builder.Configuration[name] ?? throw new InvalidOperationException($"Set {name}.");
var issuer = Setting("ISSUER");

builder.Services.AddSingleton<Sessions>();
builder.Services.AddMemoryCache();
builder.Services.AddHttpClient<Guard>(http =>
{
    http.BaseAddress = new Uri(Setting("GUARD"));
    http.Timeout = TimeSpan.FromSeconds(2);
});
builder.Services.AddAuthorization();
builder.Services
    .AddOptions<CookieAuthenticationOptions>(CookieAuthenticationDefaults.AuthenticationScheme)
    .Configure<Sessions>((options, sessions) => options.SessionStore = sessions);
builder.Services
    .AddAuthentication(options =>
    {
        options.DefaultScheme = CookieAuthenticationDefaults.AuthenticationScheme;
        options.DefaultChallengeScheme = OpenIdConnectDefaults.AuthenticationScheme;
    })
    .AddCookie(options =>
    {
        options.SlidingExpiration = false;
        options.ExpireTimeSpan = TimeSpan.FromHours(12);
        options.Events.OnValidatePrincipal = SessionCheck.ValidateAsync;
    })
    .AddOpenIdConnect(options =>
    {
        options.Authority = issuer;
        options.ClientId = Setting("CLIENT_ID");
        options.ClientSecret = Setting("CLIENT_SECRET");
        options.CallbackPath = "/oidc/callback";
        options.ResponseType = "code";
        options.ResponseMode = "query";
        options.Scope.Add("offline_access");
        options.SaveTokens = true;
        options.MapInboundClaims = false;
        options.TokenValidationParameters.NameClaimType = "name";
        options.TokenValidationParameters.ValidAlgorithms = [LogoutTokens.Algorithm];
        // An anonymous visit causes no request to the broker.
        options.PushedAuthorizationBehavior = PushedAuthorizationBehavior.Disable;
        options.CorrelationCookie.SameSite = SameSiteMode.Lax;
        options.NonceCookie.SameSite = SameSiteMode.Lax;
        options.BackchannelTimeout = TimeSpan.FromSeconds(10);
        // A second rotation of keys is known this soon. The default is 5 minutes.
        options.RefreshInterval = TimeSpan.FromSeconds(10);
        options.Events.OnMessageReceived = context =>
        {
            // RFC 9207 §2.4: the handler itself does not compare it.
            if (context.ProtocolMessage.Iss != issuer) context.Fail("The response is not of this issuer.");
            return Task.CompletedTask;
        };
        options.Events.OnRemoteFailure = context =>
        {
            // The user turned back, or came by the Back button.
            context.HandleResponse();
            context.Response.Redirect("/");
            return Task.CompletedTask;
        };
    });

var app = builder.Build();
app.UseAuthentication();
app.Use(async (HttpContext context, RequestDelegate next) =>
{
    // Whether the session is live is not known now: the user stays signed in.
    if (context.Items[SessionCheck.Answer] is int status) context.Response.StatusCode = status;
    else await next(context);
});
app.UseWhen(
    context => context.Request.Path.StartsWithSegments("/api"),
    api => api.Use(async (HttpContext context, RequestDelegate next) =>
    {
        AuthenticationHeaderValue.TryParse(context.Request.Headers.Authorization, out var given);
        // The name of a scheme may be written in any case (RFC 9110 §11.1).
        var token = "Bearer".Equals(given?.Scheme, StringComparison.OrdinalIgnoreCase) ? given.Parameter : null;
        var guard = context.RequestServices.GetRequiredService<Guard>();
        var (status, user) = await guard.CheckAsync(context, token);
        if (user is null)
        {
            context.Response.StatusCode = status == 200 ? 401 : status;
            return;
        }
        context.User = user;
        await next(context);
    }));
app.UseAuthorization();

app.MapGet("/", () => Results.Content(
    """<a href="/me">Sign in</a> <form method="post" action="/logout"><button>Sign out</button></form>""", "text/html"));
// For a user with a session.
app.MapGet("/me", async (HttpContext context) => new
{
    sub = context.User.FindFirst("sub")?.Value,
    name = context.User.Identity?.Name,
    exp = SessionCheck.Expiry((await context.AuthenticateAsync()).Properties!).ToUnixTimeSeconds(),
}).RequireAuthorization();
// The broker asks what to end. This session ends with its logout token, or with the next answer of guard serve.
app.MapPost("/logout", () => Results.SignOut(authenticationSchemes: [OpenIdConnectDefaults.AuthenticationScheme]));
// For a caller with an access token.
app.MapGet("/api/me", (HttpContext context) => new { sub = context.User.FindFirst("sub")?.Value });
app.MapPost("/oidc/backchannel-logout", async (HttpContext context, IOptionsMonitor<OpenIdConnectOptions> options, Sessions sessions) =>
    Results.StatusCode(await LogoutTokens.ReceiveAsync(context.Request, options.Get(OpenIdConnectDefaults.AuthenticationScheme), sessions)));

app.Run();
