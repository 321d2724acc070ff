namespace OzFunctions.Http.Problems;

/// <summary>A kind of error as clients of Oz know it (facts D2): its code, whether trying again makes sense, and its usual status.</summary>
public sealed record ApiError
{
    private ApiError(string code, int status, string title, bool retryable = false) => (Code, Status, Title, Retryable) = (code, status, title, retryable);

    public static readonly ApiError InvalidRequest = new("invalid_request", 400, "The request is not valid");
    public static readonly ApiError AuthenticationRequired = new("authentication_required", 401, "A key is needed");
    public static readonly ApiError NotAuthorized = new("not_authorized", 403, "Not allowed");
    public static readonly ApiError ResourceNotFound = new("resource_not_found", 404, "Not found");
    public static readonly ApiError MethodNotAllowed = new("operation_not_supported", 405, "This method is not supported here");
    public static readonly ApiError Conflict = new("conflict", 409, "In conflict with what is there", retryable: true);
    public static readonly ApiError TooLarge = new("invalid_request", 413, "The request is too large");
    public static readonly ApiError WrongContentType = new("invalid_request", 415, "The content type is not supported");
    public static readonly ApiError RangeNotSatisfiable = new("invalid_request", 416, "The range is not in the content");
    public static readonly ApiError OperationNotSupported = new("operation_not_supported", 422, "This is not supported");
    public static readonly ApiError TooMany = new("resource_unavailable", 429, "Too much at once", retryable: true);
    public static readonly ApiError InternalError = new("internal_error", 500, "Something went wrong inside", retryable: true);
    public static readonly ApiError ResourceUnavailable = new("resource_unavailable", 503, "Not available now", retryable: true);

    /// <summary>The code, last part of the problem's <c>type</c>.</summary>
    public string Code { get; }

    public int Status { get; }

    public string Title { get; }

    /// <summary>The same call may go through later.</summary>
    public bool Retryable { get; }
}
