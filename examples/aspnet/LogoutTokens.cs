using System.Text.Json;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

/// <summary>Receives logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.6).</summary>
static class LogoutTokens
{
    /// <summary>The id_token_signed_response_alg of the registration.</summary>
    public const string Algorithm = SecurityAlgorithms.RsaSha256;

    const string Event = "http://schemas.openid.net/event/backchannel-logout";

    /// <returns>200; 400, which is final; or 503: the broker sends the token again</returns>
    public static async Task<int> ReceiveAsync(HttpRequest request, OpenIdConnectOptions oidc, Sessions sessions)
    {
        var token = request.HasFormContentType ? (string?)(await request.ReadFormAsync())["logout_token"] : null;
        if (string.IsNullOrEmpty(token)) return 400;
        OpenIdConnectConfiguration configuration;
        try
        {
            configuration = await oidc.ConfigurationManager!.GetConfigurationAsync(CancellationToken.None);
        }
        catch (InvalidOperationException)
        {
            return 503;
        }
        var result = await new JsonWebTokenHandler().ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = configuration.Issuer,
            ValidAudience = oidc.ClientId,
            IssuerSigningKeys = configuration.SigningKeys,
            ValidTypes = ["logout+jwt"],
            ValidAlgorithms = [Algorithm],
            ClockSkew = TimeSpan.FromSeconds(5),
        });
        if (!result.IsValid)
        {
            // The key may be new: the next attempt finds it. The times may be those of a wrong clock.
            if (result.Exception is SecurityTokenSignatureKeyNotFoundException) oidc.ConfigurationManager.RequestRefresh();
            return result.Exception is SecurityTokenSignatureKeyNotFoundException or SecurityTokenExpiredException
                or SecurityTokenNotYetValidException
                ? 503
                : 400;
        }
        var claims = Jwt.Payload(token);
        string? Text(string name) => claims.TryGetProperty(name, out var claim) ? claim.GetString() : null;
        if (!claims.TryGetProperty("events", out var events) || !events.TryGetProperty(Event, out _)) return 400;
        if (claims.TryGetProperty("nonce", out _) || !claims.TryGetProperty("rev", out var rev)) return 400;
        if (Text("sid") is null && Text("sub") is null) return 400;
        // A token that arrives twice ends nothing that is newer, so its jti needs no memory.
        sessions.End(Text("sid"), Text("sub"), rev.GetInt64());
        return 200;
    }
}

static class Jwt
{
    /// <returns>the claims of a token whose signature was verified, or which came from the broker itself</returns>
    public static JsonElement Payload(string token)
    {
        using var document = JsonDocument.Parse(Base64UrlEncoder.Decode(token.Split('.')[1]));
        return document.RootElement.Clone();
    }
}
